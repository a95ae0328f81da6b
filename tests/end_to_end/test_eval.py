"""A small part of the standard set, held with a whole Parley: what must be right however slow the machine is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import aiohttp
import pytest

from tests.end_to_end.test_commands import parley
from tests.end_to_end.whole import open_house

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.timeout(240)
async def test_a_small_evaluation_finds_what_it_should(speech_dir: Path) -> None:
    async with open_house() as house:
        status, output, errors = await parley(
            *("eval", "--clips", str(speech_dir), "--share", "0.05", "--parallel", "3", "--json"),
            *("--url", house.url, "--server", house.address("PARLEY_TTS_PORT")),
        )
    verdict = json.loads(output)
    assert status == (0 if verdict["kept"] else 1), errors
    figures = {each["name"]: each for each in verdict["figures"]}
    assert figures["replies to noise"]["value"] == 0
    assert figures["missed ends of turn"]["value"] == 0, verdict["complaints"]
    assert figures["heard history within one word"]["value"] == 100
    assert figures["word error rate"]["value"] < 40
    assert figures["end-of-turn delay p50, all turns"]["of"] >= 6


@pytest.mark.timeout(240)
async def test_two_parleys_hold_the_same_conversations_by_turns(speech_dir: Path) -> None:
    async with open_house("scripted") as one, open_house("scripted") as other:
        status, output, errors = await parley(
            *("eval", "--clips", str(speech_dir), "--share", "0.01", "--parallel", "12", "--json"),
            *("--url", one.url, "--compare", other.url, "--server", one.address("PARLEY_TTS_PORT")),
        )
        heard = [await samples_heard(house.url) for house in (one, other)]
    compared = json.loads(output)
    assert status == (0 if compared["pays"] else 1), errors
    assert all(samples > 20 * 16_000 for samples in heard)
    names = [[each["name"] for each in compared[side]["figures"]] for side in ("one", "other")]
    assert names[0] == names[1]


async def samples_heard(url: str) -> float:
    """Samples that a gateway has had from microphones."""
    async with aiohttp.ClientSession() as http, http.get(f"{url}/metrics") as response:
        lines = (await response.text()).splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("parley_audio_samples_received_total"))


async def test_an_evaluation_without_a_gateway_says_how_to_start_one(speech_dir: Path) -> None:
    nowhere = ("--url", "http://127.0.0.1:9", "--server", "127.0.0.1:9")
    status, _, errors = await parley("eval", "--clips", str(speech_dir), *nowhere)
    assert status == 1
    assert "127.0.0.1:9" in errors
