"""A real Chromium with a recording as its microphone, and the page open in it."""

from __future__ import annotations

import os
import shutil
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from playwright.async_api import BrowserContext, Page, async_playwright

from parley.audio import decode_file, write_wav

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path
    from typing import Literal

CHROMIUM: Final = os.environ.get("PARLEY_CHROMIUM") or shutil.which("chromium")
RATE_HZ: Final = 48_000
PHONE: Final = (390, 844)
DESKTOP: Final = (1360, 860)

_FLAGS: Final = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who looks at the page."""

    microphone: Path | None = None
    """What they say, as `speech` wrote it; None: what Chromium beeps."""
    allows: bool = True
    """They allow the microphone."""
    has_microphone: bool = True
    """There is one; without it, Chromium finds none on a machine that has none either."""
    scheme: Literal["light", "dark"] = "light"
    """The colours that they prefer."""
    size: tuple[int, int] = DESKTOP
    """Of their window."""
    locale: str = "en-US"
    """The language of their browser."""
    script: str = ""
    """What runs in a page before its own scripts, when they are `visiting` it."""
    environment: dict[str, str] = field(default_factory=dict)
    """What their browser finds in its environment."""


def speech(target: Path, *recordings: Path, silence_seconds: float = 1.0) -> Path:
    """A microphone's sound: silence, a recording, silence, the next, and a long silence at the end."""
    silence = bytes(2 * round(RATE_HZ * silence_seconds))
    spoken = b"".join(silence + decode_file(recording, RATE_HZ) for recording in recordings)
    write_wav(target, spoken + bytes(2 * RATE_HZ * 30), RATE_HZ)
    return target


@asynccontextmanager
async def browsing(visitor: Visitor) -> AsyncIterator[BrowserContext]:
    """A browser as `visitor` uses it."""
    flags = _FLAGS.split()
    if visitor.has_microphone:
        flags.append("--use-fake-device-for-media-stream")
    if visitor.microphone is not None:
        flags.append(f"--use-file-for-fake-audio-capture={visitor.microphone}%noloop")
    if visitor.allows:
        flags.append("--use-fake-ui-for-media-stream")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=flags, env={**os.environ, **visitor.environment}
        )
        width, height = visitor.size
        try:
            yield await browser.new_context(
                viewport={"width": width, "height": height},
                color_scheme=visitor.scheme,
                locale=visitor.locale,
                accept_downloads=True,
            )
        finally:
            await browser.close()


@asynccontextmanager
async def visiting(url: str, visitor: Visitor) -> AsyncIterator[Page]:
    """The page at `url`, open; whatever it complains of on the console, or refuses to run, fails the test."""
    async with browsing(visitor) as context:
        page = await context.new_page()
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        if visitor.script:
            await page.add_init_script(visitor.script)
        await page.goto(url, wait_until="networkidle")
        yield page
        assert complaints == []


async def status(page: Page, name: str, timeout_seconds: float = 15) -> None:
    """Wait until the page has this status."""
    await page.wait_for_selector(f'body[data-status="{name}"]', timeout=1000 * timeout_seconds)


async def settle(page: Page, turns: int = 1, timeout_seconds: float = 60) -> None:
    """Wait until so many turns have their time, and are over."""
    over = "turns => document.querySelectorAll('#history li:not([data-live])').length >= turns"
    await page.wait_for_function(over, arg=turns, timeout=1000 * timeout_seconds)


async def ask(page: Page, words: str, turns: int = 1) -> None:
    """Type to the assistant, and wait until it has answered."""
    await page.fill("#text", words)
    await page.press("#text", "Enter")
    await settle(page, turns)


async def says(page: Page, words: str, selector: str = "#state") -> None:
    """Wait until a part of the page says this."""
    await page.wait_for_function(
        "([selector, words]) => document.querySelector(selector).textContent === words", arg=[selector, words]
    )


async def lines(page: Page) -> list[str]:
    """What was said, as it stands on the page."""
    return [(await line.inner_text()).strip() for line in await page.query_selector_all("#transcript .words")]
