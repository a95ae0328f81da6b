"""`parley eval`: holds the standard set of conversations with a running Parley, and judges its turn-taking."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp

from parley._duplex import first_of
from parley.errors import Unavailable
from parley_cli.eval.clips import load_clips
from parley_cli.eval.scenes import Sitting, standard
from parley_cli.eval.score import judge
from parley_cli.eval.stage import Observed, perform
from parley_cli.eval.verdict import as_object, table
from parley_cli.terminal import to_json
from parley_cli.trust import trust

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Plan:
    """What an evaluation is to consist of."""

    folder: str | None
    """Recordings to make scenes of; None: sentences that the TTS server speaks."""
    seed: int
    """Another one gives other scenes."""
    share: float
    """Part of the standard set, 0 to 1."""
    parallel: int
    """Conversations at once."""


async def evaluate(url: str, server: str, plan: Plan, *, as_json: bool) -> int:
    """Hold the conversations and print what was found; 1 when a bound was missed. `server` speaks for the scenes."""
    clips = await load_clips(Path(plan.folder) if plan.folder else None, server)
    sittings = standard(clips, plan.seed, plan.share)
    before = await _head_starts(url)
    waiting = iter(sittings)
    observed: list[Observed] = []
    try:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(plan.parallel):
                tasks.create_task(_hold(url, waiting, observed, len(sittings)))
    except BaseExceptionGroup as group:
        raise first_of(group) from None
    after = await _head_starts(url)
    verdict = judge(observed, (after[0] - before[0], after[1] - before[1]))
    if sys.stderr.isatty():
        print(file=sys.stderr)
    print(to_json(as_object(verdict)) if as_json else table(verdict))
    return 0 if verdict.kept else 1


async def _hold(url: str, waiting: Iterator[Sitting], observed: list[Observed], total: int) -> None:
    for sitting in waiting:
        observed += await perform(url, sitting)
        if sys.stderr.isatty():
            done = len({each.sitting for each in observed})
            print(f"\r{done} of {total} conversations", end="", file=sys.stderr, flush=True)


async def _head_starts(url: str) -> tuple[int, int]:
    """Speculative replies so far that were used, and wasted, by the gateway's metrics."""
    counts = {"used": 0, "wasted": 0}
    try:
        async with (
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust())) as http,
            http.get(f"{url.rstrip('/')}/metrics") as response,
        ):
            for line in (await response.text()).splitlines():
                for outcome in counts:
                    if line.startswith(f'parley_head_starts_total{{outcome="{outcome}"}}'):
                        counts[outcome] = round(float(line.split()[1]))
    except aiohttp.ClientError as error:
        raise Unavailable(f"no gateway at {url} ({error}): start one with `make run` or `parley up`") from error
    return counts["used"], counts["wasted"]
