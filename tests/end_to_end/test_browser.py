"""The page in a real Chromium, with a recording as its microphone: press the button, speak, be answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.end_to_end.chromium import CHROMIUM, Visitor, lines, settle, speech, status, visiting
from tests.end_to_end.whole import open_house

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.timeout(120)
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
async def test_a_question_asked_on_the_page_is_answered_there(speech_dir: Path, tmp_path: Path) -> None:
    visitor = Visitor(speech(tmp_path / "microphone.wav", speech_dir / "v2j-time.flac"))
    async with open_house() as house, visiting(house.url, visitor) as page:
        assert await page.inner_text("#state") == "Press the button and speak."
        await page.click("#talk")
        for name in ("listening", "hearing", "speaking", "listening"):
            await status(page, name)
        await settle(page)
        asked, answered = await lines(page)
        assert asked.lower().strip("?") == "what time is it"
        assert answered.startswith("It is")
        assert 200 < int(await page.inner_text("#total")) < 2_000
        names = await page.eval_on_selector_all("#slices li", "items => items.map(item => item.dataset.name)")
        assert {"client.capture", "asr.endpoint", "llm.chat", "tts.synthesize", "client.playout"} <= set(names)
        await page.click("#talk")
        assert await page.inner_text("#state") == "Press the button and speak."
        assert await lines(page) == [asked, answered]
