"""Barge-in in a real Chromium: from the first voiced sample to the duck, and to silence, at the page's loudspeaker.

`PYTHONPATH=. python benchmarks/page_barge_in.py FOLDER [--rounds 4]` starts everything itself. FOLDER holds the
recordings that `tests/end_to_end/barge_in.py` names. Chromium is `chromium` on the path, or PARLEY_CHROMIUM. Times are
to the page's loudspeaker node; its output latency, which the platform adds, is printed beside them.
"""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from parley_cli.percentiles import percentile
from tests.end_to_end.barge_in import Interruption, interrupt


async def main(folder: Path, rounds: int) -> None:
    found: list[Interruption] = []
    latencies: list[float] = []
    for _ in range(rounds):
        evening = await interrupt(folder)
        found += evening.interruptions
        latencies.append(evening.latency_ms)
        for each in evening.interruptions:
            print(
                f"ducked {each.ducked_ms:4.0f} ms, silent {each.silent_ms:4.0f} ms, "
                f"told to silent {each.told_to_silent_ms:3.0f} ms",
                flush=True,
            )
    for name, bound, values in (
        ("first voice to ducked", 150, [each.ducked_ms for each in found]),
        ("first voice to silent", 500, [each.silent_ms for each in found]),
        ("told to silent", 60, [each.told_to_silent_ms for each in found]),
    ):
        p50, p95 = percentile(values, 0.5), percentile(values, 0.95)
        print(f"{name:22} p50 {p50:4.0f} ms, p95 {p95:4.0f} ms (at most {bound}), of {len(values)}")
    print(f"output latency {percentile(latencies, 0.5):.0f} ms")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=4)
    options = parser.parse_args()
    asyncio.run(main(options.folder, options.rounds))
