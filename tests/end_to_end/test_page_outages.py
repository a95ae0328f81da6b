"""The page while a real server dies and comes back: each part is missed by its name, and nobody loads the page anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.end_to_end.chromium import CHROMIUM, Visitor, ask, lines, settle, speech, status, visiting
from tests.end_to_end.test_faults import four_processes

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.timeout(180), pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")]


async def test_a_recogniser_that_dies_is_missed_and_heard_of_when_it_is_back(speech_dir: Path, tmp_path: Path) -> None:
    visitor = Visitor(speech(tmp_path / "microphone.wav", speech_dir / "v2j-time.flac", silence_seconds=4))
    async with four_processes() as processes, visiting(processes.url, visitor) as page:
        await page.click("#talk")
        await status(page, "listening")
        await processes.kill("asr_server")
        await status(page, "deaf")
        assert "speech recognition is away" in await page.inner_text("#error")
        await processes.start("asr_server")
        # What was said meanwhile is heard, and answered.
        await settle(page, timeout_seconds=60)
        assert (await lines(page))[0].lower().strip("?") == "what time is it"
        assert await page.is_hidden("#notice")


async def test_a_voice_that_dies_leaves_a_written_reply_and_speaks_again_when_it_is_back() -> None:
    async with four_processes() as processes, visiting(processes.url, Visitor(allows=False)) as page:
        await processes.kill("tts_server")
        await page.fill("#text", "Count for me.")
        await page.press("#text", "Enter")
        await page.wait_for_selector(".line.assistant.is-over")
        assert await page.inner_text(".line.assistant .foot") == "Written, not spoken: the voice is away"
        assert "written instead of spoken" in await page.inner_text("#error")
        await processes.start("tts_server")
        await page.wait_for_selector("#notice", state="hidden")
        await ask(page, "And again.")
        assert await page.locator(".line.assistant .foot").count() == 2, "the second has only its time"
        assert "Written" not in await page.inner_text(".line.assistant >> nth=1")


async def test_a_model_that_dies_is_missed_and_answers_when_it_is_back() -> None:
    async with four_processes() as processes, visiting(processes.url, Visitor(allows=False)) as page:
        await ask(page, "Count for me.")
        await processes.kill("llm_server")
        await page.fill("#text", "Once more.")
        await page.press("#text", "Enter")
        await page.wait_for_selector("#notice:not([hidden])")
        assert "the language model is away" in await page.inner_text("#error")
        await processes.start("llm_server")
        await page.wait_for_selector("#notice", state="hidden")
        await ask(page, "And now?", turns=2)
        assert len(await lines(page)) == 5
