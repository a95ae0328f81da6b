"""How many turns of the event loops lie between the last packet that a decision needs and the first one of the reply.

    PYTHONPATH=. python benchmarks/loop_turns.py [--sessions 2] [--seconds 20] [--slow-ms 3]

Each turn of one process's loop is made to take longer, and `parley bench` says by how much the own delay grows: that
over what a turn takes longer is the number of turns in series. Each step of a hop waits for those of all sessions, so
their number says how a gateway behaves under load before the load is there.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path

from benchmarks.benching import bench
from tests.end_to_end.whole import open_checkout

MODULES = ("edge_gateway", "asr_server", "llm_server", "tts_server")


async def own_delay_ms(module: str, given: argparse.Namespace) -> float:
    """The median, with a slow `module`; empty: none is."""
    slowed = {
        "PYTHONPATH": f"{Path(__file__).with_name('slowed')}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
        "SLOWED_MODULE": module,
        "SLOWED_SECONDS": str(given.slow_ms / 1000),
    }
    async with open_checkout((sys.executable,), None, "scripted", slowed if module else {}) as house:
        found = await bench(house, "--sessions", str(given.sessions), "--seconds", str(given.seconds))
    return float(found["own_delay_p50_ms"])


async def main() -> None:
    """Read the arguments, and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--slow-ms", type=float, default=3)
    given = parser.parse_args()
    usual = await own_delay_ms("", given)
    print(f"own delay p50 {usual:.1f} ms")
    for module in MODULES:
        slow = await own_delay_ms(module, given)
        turns = (slow - usual) / given.slow_ms
        print(f"{module:<14} {slow:.1f} ms, {slow - usual:+.1f} ms: {turns:.0f} turns of its loop", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
