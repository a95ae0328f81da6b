"""A real page whose microphone is silent says little of it, and what is said after that is heard whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from parley.audio import LISTENING_RATE_HZ, SAMPLE_BYTES, decode_file
from tests.asr_server.test_recordings import words
from tests.end_to_end.chromium import CHROMIUM, RATE_HZ, Visitor, lines, settle, status, visiting
from tests.end_to_end.voice import SPEAKS, kept, say
from tests.end_to_end.whole import House, open_house

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import Route

pytestmark = [pytest.mark.timeout(180), pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")]

# Silence is sent for three seconds, and a twelfth of what follows; a machine may be slow to look.
SILENT_SECONDS: Final = 12
MOST_SENT_SECONDS: Final = 6
QUESTION_SECONDS: Final = 1.68


async def heard_seconds(house: House) -> float:
    """Sound that the gateway has got."""
    async with aiohttp.ClientSession() as client, client.get(f"{house.url}/metrics") as response:
        families = text_string_to_metric_families(await response.text())
        samples = (sample for family in families for sample in family.samples)
        return next(s.value for s in samples if s.name == "parley_audio_samples_received_total") / LISTENING_RATE_HZ


async def without_codecs(route: Route) -> None:
    response = await route.fetch()
    await route.fulfill(response=response, body="delete self.AudioEncoder;\n" + await response.text())


@pytest.mark.parametrize("opus", [pytest.param(True, id="opus"), pytest.param(False, id="pcm")])
async def test_silence_is_left_out_and_speech_after_it_is_heard(speech_dir: Path, *, opus: bool) -> None:
    async with open_house() as house, visiting(f"{house.url}/?tap=1", Visitor(script=SPEAKS)) as page:
        if not opus:
            await page.route("**/web/worker/uplink.js", without_codecs)
        await page.click("#talk")
        await status(page, "listening")
        begun = await page.evaluate("window.__parleyTap.blocks.length * 128")
        await kept(page, begun + SILENT_SECONDS * RATE_HZ)
        silent = await heard_seconds(house)
        # Behind its words the recording is noisy.
        question = decode_file(speech_dir / "v2j-time.flac", RATE_HZ)[
            : round(QUESTION_SECONDS * RATE_HZ) * SAMPLE_BYTES
        ]
        place = await say(page, question)
        await settle(page)
        await kept(page, place + SILENT_SECONDS * RATE_HZ)
        said, asked = await lines(page), await heard_seconds(house) - silent
    assert 0 < silent < MOST_SENT_SECONDS
    assert words(said[0]) == "what time is it"
    # The turn's end is told within a second, and from then on nothing hangs on silence.
    assert QUESTION_SECONDS < asked < QUESTION_SECONDS + 0.3 + 1.5 + SILENT_SECONDS / 12
