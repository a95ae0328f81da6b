"""`parley eval`: holds the standard set of conversations with a running Parley, and judges its turn-taking."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp

from parley._duplex import first_of
from parley.errors import Unavailable
from parley_cli.eval import comparison
from parley_cli.eval.clips import load_clips
from parley_cli.eval.comparison import Comparison
from parley_cli.eval.scenes import Sitting, standard
from parley_cli.eval.score import judge
from parley_cli.eval.stage import Observed, perform
from parley_cli.eval.verdict import as_object, table
from parley_cli.terminal import to_json
from parley_cli.trust import trust

if TYPE_CHECKING:
    from collections.abc import Iterator

    from parley_cli.eval.verdict import Verdict


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
    (verdict,) = await _verdicts((url,), server, plan)
    print(to_json(as_object(verdict)) if as_json else table(verdict))
    return 0 if verdict.kept else 1


async def compare(url: str, other: str, server: str, plan: Plan, *, as_json: bool) -> int:
    """Hold each conversation with both, one right after the other, and print both; 1 when the other does not pay."""
    found = Comparison(*await _verdicts((url, other), server, plan))
    print(to_json(comparison.as_object(found)) if as_json else comparison.table(found))
    return 0 if found.pays else 1


@dataclass(slots=True)
class _House:
    """A running Parley, and what came of its conversations."""

    url: str
    before: tuple[int, int]
    observed: list[Observed] = field(default_factory=list)

    async def verdict(self) -> Verdict:
        after = await _head_starts(self.url)
        return judge(self.observed, (after[0] - self.before[0], after[1] - self.before[1]))


async def _verdicts(urls: tuple[str, ...], server: str, plan: Plan) -> list[Verdict]:
    clips = await load_clips(Path(plan.folder) if plan.folder else None, server)
    sittings = standard(clips, plan.seed, plan.share)
    houses = [_House(url, await _head_starts(url)) for url in urls]
    waiting = iter(enumerate(sittings))
    try:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(plan.parallel):
                tasks.create_task(_hold(houses, waiting, len(sittings)))
    except BaseExceptionGroup as group:
        raise first_of(group) from None
    if sys.stderr.isatty():
        print(file=sys.stderr)
    return [await house.verdict() for house in houses]


async def _hold(houses: list[_House], waiting: Iterator[tuple[int, Sitting]], total: int) -> None:
    for number, sitting in waiting:
        # Each is the first by turns: what else the machine does meanwhile is the same for both.
        for house in houses if number % 2 == 0 else houses[::-1]:
            house.observed += await perform(house.url, sitting)
        if sys.stderr.isatty():
            done = len({each.sitting for each in houses[0].observed})
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
