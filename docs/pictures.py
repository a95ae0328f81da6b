"""Takes README's pictures anew: the page and its waterfall, from a running Parley in Chromium. `make pictures`."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from parley.audio import decode_file, write_wav
from parley_cli.talk import DEFAULT_SECONDS, default_recording
from tests.end_to_end.chromium import RATE_HZ, Visitor, ask, settle, speech, status, visiting
from tests.end_to_end.whole import open_house

if TYPE_CHECKING:
    from playwright.async_api import FloatRect

HERE: Final = Path(__file__).parent
SIZE: Final = (1280, 800)
MOST_BYTES: Final = 150_000
MARGIN: Final = 16
# The orb's colours go over into each other in less than this.
ORB_MS: Final = 700


def around(box: FloatRect | None) -> FloatRect:
    """A part of the page with a margin."""
    assert box is not None, "the page shows no waterfall"
    return {
        "x": box["x"] - MARGIN,
        "y": box["y"] - MARGIN,
        "width": box["width"] + 2 * MARGIN,
        "height": box["height"] + 2 * MARGIN,
    }


async def main() -> None:
    """Ask once by voice and once in writing, and take the pictures."""
    with tempfile.TemporaryDirectory() as folder:
        question = Path(folder) / "question.wav"
        write_wav(question, decode_file(default_recording(), RATE_HZ)[: 2 * round(DEFAULT_SECONDS * RATE_HZ)], RATE_HZ)
        visitor = Visitor(speech(Path(folder) / "microphone.wav", question), size=SIZE)
        async with open_house() as house, visiting(house.url, visitor) as page:
            await page.click("#talk")
            await status(page, "speaking")
            await settle(page)
            await ask(page, "What is seven times eight?", turns=2)
            await page.click("#history li:last-child button")
            await page.mouse.move(0, 0)
            await page.wait_for_timeout(ORB_MS)
            await page.screenshot(path=HERE / "page.png")
            await page.screenshot(
                path=HERE / "waterfall.png", clip=around(await page.locator("#waterfall").bounding_box())
            )
    for picture in sorted(HERE.glob("*.png")):
        size = picture.stat().st_size
        print(f"{picture.name}: {size / 1000:.0f} kB")
        assert size < MOST_BYTES, f"{picture} is too large for a README"


if __name__ == "__main__":
    asyncio.run(main())
