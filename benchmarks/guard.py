"""Whether this commit makes conversations much dearer or slower than the one before it; `.ci/run` asks.

    PYTHONPATH=. python benchmarks/guard.py [--against COMMIT]

Both hold sessions at the same time, on the same core, and what counts is the ratio of what they used of it and how long
they took: whatever else the machine does meanwhile, it does to both. Still, what is worse must be so in each of two
such runs, and once more when it is measured again. Where there is no commit before, as in a shallow clone, or it does
not run with what is installed now, that is said and the change passes.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import math
import os
import subprocess
import sys
import tarfile
import tempfile
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.benching import NothingMeasured
from benchmarks.compare import Held, Side, both, figures_of, opened

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from benchmarks.compare import Figures
    from tests.end_to_end.whole import House

    Measure = Callable[[], Awaitable[tuple[list[Figures], list[Figures]]]]

SESSIONS: Final = 8
"""With each of the two."""
SECONDS: Final = 6.0
RUNS: Final = 2
CPU_RATIO: Final = 1.25
"""CPU a session-minute may be so many times that of the commit before."""
DELAY_RATIO: Final = 1.5
"""Own delay p50 may be so many times that of the commit before; or `DELAY_MS` more, where it is short."""
DELAY_MS: Final = 10.0
_CPU, _DELAY = "cpu_per_session_minute", "own_delay_p50_ms"
_ROOT: Final = Path(__file__).resolve().parents[1]
# A change to anything else is no change to what is measured.
_RUNS: Final = ("parley", "parley_cli", "serving", "edge_gateway", "asr_server", "llm_server", "tts_server", "locks")


class NoneBefore(Exception):
    """The commit before cannot be measured."""


def problems(before: Sequence[Figures], after: Sequence[Figures]) -> list[str]:
    """What became much worse in every run, in words with the figures of the best one."""
    found = []
    if (cpu := _ratios(before, after, _CPU)) > CPU_RATIO:
        found.append(f"CPU a session-minute is {cpu:.2f} times that of the commit before: {CPU_RATIO} at most")
    delay, more_ms = _ratios(before, after, _DELAY), _differences(before, after, _DELAY)
    if delay > DELAY_RATIO and more_ms > DELAY_MS:
        found.append(
            f"own delay p50 is {delay:.2f} times that of the commit before, {more_ms:.0f} ms more: "
            f"{DELAY_RATIO} times or {DELAY_MS:.0f} ms at most"
        )
    return found


async def judge(measure: Measure) -> list[str]:
    """What is much worse in each of two measurements; the second one is left out where the first finds nothing."""
    found = problems(*await measure())
    if not found:
        return []
    print("\n".join(found), "Measured once more:", sep="\n", flush=True)
    return problems(*await measure())


def before(root: Path, commit: str) -> bytes | None:
    """The files of `commit`, as a tar archive; None: it is not there."""
    packed = _git(root, "archive", commit)
    return packed.stdout if packed.returncode == 0 else None


def changes(root: Path, commit: str) -> bool:
    """Whether anything that runs is another than in `commit`."""
    return _git(root, "diff", "--quiet", commit, "--", *_RUNS).returncode != 0


def _git(root: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    command = ["git", *arguments]
    return subprocess.run(command, cwd=root, capture_output=True, check=False)


def _known(before: Sequence[Figures], after: Sequence[Figures], name: str) -> Iterator[tuple[float, float]]:
    return ((x, y) for a, b in zip(before, after, strict=True) if (x := a[name]) and (y := b[name]) is not None)


def _ratios(before: Sequence[Figures], after: Sequence[Figures], name: str) -> float:
    """The least of all runs; infinite where none is known."""
    return min((y / x for x, y in _known(before, after, name)), default=math.inf)


def _differences(before: Sequence[Figures], after: Sequence[Figures], name: str) -> float:
    """The least of all runs; infinite where none is known."""
    return min((y - x for x, y in _known(before, after, name)), default=math.inf)


def _cores() -> tuple[str, str]:
    """One core for the servers and another for the bench, where there are two."""
    ours = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    return (str(ours[0]), str(ours[1])) if len(ours) > 1 else ("", "")


async def _figures_before(house: House, held: Held) -> Figures:
    try:
        return await figures_of(house, held)
    except NothingMeasured as error:
        raise NoneBefore(str(error)) from error


async def side_by_side(old: Side, new: Side, held: Held) -> tuple[Figures, Figures]:
    """The figures of both, which hold their sessions at the same time.

    Raises:
        NoneBefore: the old one cannot be measured.
    """
    async with AsyncExitStack() as stack:
        try:
            old_house = await stack.enter_async_context(opened(old, held))
        except (AssertionError, TimeoutError) as error:
            # An AssertionError says that it did not start.
            raise NoneBefore(str(error)) from error
        new_house = await stack.enter_async_context(opened(new, held))
        return await both(_figures_before(old_house, held), figures_of(new_house, held))


async def _runs(old: Side, new: Side, held: Held) -> tuple[list[Figures], list[Figures]]:
    """All runs of a measurement; gives the figures of each side."""
    found: tuple[list[Figures], list[Figures]] = ([], [])
    for _ in range(RUNS):
        for name, side, figures in zip(("before", "this"), found, await side_by_side(old, new, held), strict=True):
            side.append(figures)
            print(name, {key: value for key, value in figures.items() if value is not None}, flush=True)
    return found


async def main() -> int:
    """Read the arguments, and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", default="HEAD~1", metavar="COMMIT", help="the commit before (HEAD~1)")
    commit = parser.parse_args().against
    files = before(_ROOT, commit)
    if files is None:
        print(f"NOT MEASURED: there is no commit {commit} here to compare with, as in a shallow clone.")
        return 0
    if not changes(_ROOT, commit):
        print(f"Nothing that runs is another than in {commit}.")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(fileobj=io.BytesIO(files)) as archive:
            archive.extractall(folder, filter="data")
        held = Held(SESSIONS, SECONDS, 0.0, *_cores())
        old, new = Side(commit, Path(folder), {}), Side("this", _ROOT, {})
        try:
            found = await judge(partial(_runs, old, new, held))
        except NoneBefore as error:
            print(f"NOT MEASURED: {commit} does not run with what is installed now: {error}")
            return 0
    print("\n".join(found) or "Neither much dearer nor much slower than the commit before.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
