"""The page in a real Chromium, with a recording as its microphone: press the button, speak, be answered.

Runs where Chromium is installed (PARLEY_CHROMIUM, or `chromium` on the path).
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import Page, async_playwright

from parley.audio import decode_file, write_wav
from tests.end_to_end.whole import open_house

if TYPE_CHECKING:
    from pathlib import Path

CHROMIUM = os.environ.get("PARLEY_CHROMIUM") or shutil.which("chromium")
FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --use-fake-ui-for-media-stream --use-fake-device-for-media-stream"
)
RATE_HZ = 48_000


@pytest.mark.timeout(120)
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
async def test_a_question_asked_on_the_page_is_answered_there(speech_dir: Path, tmp_path: Path) -> None:
    microphone = tmp_path / "microphone.wav"
    question = decode_file(speech_dir / "v2j-time.flac", RATE_HZ)
    write_wav(microphone, bytes(2 * RATE_HZ) + question + bytes(2 * RATE_HZ * 20), RATE_HZ)
    flags = [*FLAGS.split(), f"--use-file-for-fake-audio-capture={microphone}%noloop"]
    async with open_house() as house, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        page = await browser.new_page()
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        await page.goto(house.url)
        await page.click("#talk")
        await page.wait_for_selector("#waterfall:not([hidden])", timeout=30_000)
        await check(page)
        assert complaints == []
        await page.click("#talk")
        assert await page.inner_text("#state") == "Press the button and speak."
        await browser.close()


async def check(page: Page) -> None:
    said = [await line.inner_text() for line in await page.query_selector_all("#transcript li")]
    assert said[0].lower().strip("?") == "what time is it"
    assert said[1].startswith("It is")
    assert 200 < int((await page.inner_text("#total")).removesuffix(" ms")) < 2_000
    slices = await page.inner_text("#slices")
    for name in ("client.capture", "asr.endpoint", "llm.chat", "tts.synthesize", "client.playout"):
        assert name in slices
