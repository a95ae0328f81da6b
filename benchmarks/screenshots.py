"""Pictures of the page in every state, in every theme and at every size that the tests look at.

`PYTHONPATH=. python benchmarks/screenshots.py FOLDER [--state speaking] [--size 390x844] [--theme dark]` starts all
that it needs, and writes STATE-THEME-WIDTHxHEIGHT.png. Chromium is `chromium` on the path, or PARLEY_CHROMIUM.
"""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from tests.end_to_end.page_states import SIZES, THEMES, look_at_all

if TYPE_CHECKING:
    from playwright.async_api import Page

# The orb's colours go over into each other in less than this.
ORB_MS = 700


async def main(folder: Path, wanted: argparse.Namespace) -> None:
    folder.mkdir(parents=True, exist_ok=True)

    async def look(name: str, page: Page) -> None:
        if wanted.state not in {None, name}:
            return
        for theme in THEMES:
            if wanted.theme not in {None, theme.name}:
                continue
            await theme.put_on(page)
            await page.wait_for_timeout(ORB_MS)
            for width, height in SIZES:
                if wanted.size not in {None, f"{width}x{height}"}:
                    continue
                await page.set_viewport_size({"width": width, "height": height})
                path = folder / f"{name.replace(' ', '-')}-{theme.name}-{width}x{height}.png"
                await page.screenshot(path=path)
                print(path)

    await look_at_all(look)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--state")
    parser.add_argument("--size")
    parser.add_argument("--theme", choices=[theme.name for theme in THEMES])
    arguments = parser.parse_args()
    asyncio.run(main(arguments.folder, arguments))
