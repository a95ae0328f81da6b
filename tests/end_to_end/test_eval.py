"""A small part of the standard set, held with a whole Parley: what must be right however slow the machine is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.end_to_end.test_commands import parley
from tests.end_to_end.whole import open_house

if TYPE_CHECKING:
    from pathlib import Path

SIDES = ("one", "other")


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
    async with open_house() as house:
        status, output, errors = await parley(
            *("eval", "--clips", str(speech_dir), "--share", "0.01", "--parallel", "6", "--json"),
            *("--url", house.url, "--compare", house.url, "--server", house.address("PARLEY_TTS_PORT")),
        )
    compared = json.loads(output)
    assert status == (0 if compared["pays"] else 1), errors
    scenes = [[(each["name"], each["of"]) for each in compared[side]["figures"][:5]] for side in SIDES]
    assert scenes[0] == scenes[1]
    missed = [next(each["value"] for each in compared[side]["figures"] if "missed" in each["name"]) for side in SIDES]
    assert missed == [0, 0]


async def test_an_evaluation_without_a_gateway_says_how_to_start_one(speech_dir: Path) -> None:
    nowhere = ("--url", "http://127.0.0.1:9", "--server", "127.0.0.1:9")
    status, _, errors = await parley("eval", "--clips", str(speech_dir), *nowhere)
    assert status == 1
    assert "127.0.0.1:9" in errors
