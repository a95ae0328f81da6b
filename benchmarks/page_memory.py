"""Memory of the page in Chromium through minutes of conversation: does it grow?

Start Parley (`make run`), then: `python benchmarks/page_memory.py QUESTION.flac [--minutes 5] [--url ...]`. QUESTION is
asked again and again. Chromium is `chromium` on the path, or PARLEY_CHROMIUM. The heap is read after a collection;
the resident set is that of the page's process, worker and audio thread included.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import shutil
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.async_api import async_playwright

from parley.audio import decode_file, write_wav

if TYPE_CHECKING:
    from playwright.async_api import Browser, CDPSession, Page

RATE_HZ = 48_000
PAUSE_SECONDS = 5
SAMPLE_SECONDS = 10
FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --use-fake-device-for-media-stream --use-fake-ui-for-media-stream"
)


@dataclass(frozen=True, slots=True)
class Sample:
    """The page's memory at one time."""

    seconds: float
    heap_mb: float
    resident_mb: float
    nodes: int


async def sample(browser: CDPSession, page: CDPSession, began: float) -> Sample:
    await page.send("HeapProfiler.collectGarbage")
    metrics = {each["name"]: each["value"] for each in (await page.send("Performance.getMetrics"))["metrics"]}
    processes = (await browser.send("SystemInfo.getProcessInfo"))["processInfo"]
    resident = max(resident_mb(each["id"]) for each in processes if each["type"] == "renderer")
    return Sample(time.monotonic() - began, metrics["JSHeapUsedSize"] / 1e6, resident, round(metrics["Nodes"]))


def resident_mb(process: int) -> float:
    status = Path(f"/proc/{process}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    return int(found[1]) / 1000 if found else 0.0


async def converse(browser: Browser, url: str, minutes: float) -> tuple[list[Sample], int]:
    page: Page = await browser.new_page()
    await page.goto(url)
    sight, whole = await page.context.new_cdp_session(page), await browser.new_browser_cdp_session()
    await sight.send("Performance.enable")
    await page.click("#talk")
    began, samples = time.monotonic(), []
    while time.monotonic() - began < 60 * minutes:
        await asyncio.sleep(SAMPLE_SECONDS)
        samples.append(await sample(whole, sight, began))
        latest = samples[-1]
        print(
            f"{latest.seconds:5.0f} s  heap {latest.heap_mb:5.2f} MB  resident {latest.resident_mb:5.1f} MB  "
            f"{latest.nodes} nodes",
            flush=True,
        )
    turns = await page.evaluate("document.querySelectorAll('#history li').length")
    return samples, turns


def growth(values: list[float]) -> float:
    """The last minute against the second one, by their medians; in the first everything is loaded."""
    minute = 60 // SAMPLE_SECONDS
    return statistics.median(values[-minute:]) / statistics.median(values[minute : 2 * minute]) - 1


async def main(question: Path, url: str, minutes: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        microphone = Path(folder) / "microphone.wav"
        write_wav(microphone, decode_file(question, RATE_HZ) + bytes(2 * RATE_HZ * PAUSE_SECONDS), RATE_HZ)
        flags = [*FLAGS.split(), f"--use-file-for-fake-audio-capture={microphone}"]
        path = os.environ.get("PARLEY_CHROMIUM") or shutil.which("chromium")
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=path, args=flags)
            try:
                samples, turns = await converse(browser, url, minutes)
            finally:
                await browser.close()
    heap, resident = (growth([getattr(each, name) for each in samples]) for name in ("heap_mb", "resident_mb"))
    print(
        f"{turns} turns in {minutes:g} minutes; the last minute against the second: "
        f"heap {heap:+.1%}, resident {resident:+.1%}"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("question", type=Path)
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    parser.add_argument("--minutes", type=float, default=5)
    arguments = parser.parse_args()
    asyncio.run(main(arguments.question, arguments.url, arguments.minutes))
