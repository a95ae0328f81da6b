"""Two checkouts, or two settings, side by side: `parley bench` of each in turn, A B B A, in one run.

    PYTHONPATH=. python benchmarks/compare.py A B [--sessions 20] [--seconds 20] [--pairs 4] [--servers 0] [--clients 1]

A and B are FOLDER or FOLDER:NAME=VALUE[,NAME=VALUE], with the variables that its processes get; the folder's own .venv
runs it, where there is one, and this bench asks both. Each run starts all processes anew, of the scripted profile. With
--servers they keep to one core, and the bench to --clients. Told are the median of each figure, and that of B over A,
pair by pair, which is what the noise of a machine leaves of the truth. It leaves more with --together, where both hold
their sessions at the same time: so whatever else the machine does, it does to both. Then they share the core, so delays
are those of twice as many sessions.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.benching import bench
from parley._duplex import first_of
from tests.end_to_end.whole import House, open_checkout

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

FIGURES: Final = (
    *("own_delay_p50_ms", "own_delay_p99_ms", "late_packets", "cpu_per_session_minute", "ready_per_second"),
    *("idle_kb", "talking_kb", "duck_p50_ms", "duck_p99_ms"),
    *("own_duck_p50_ms", "own_duck_p99_ms", "stop_p50_ms", "stop_p99_ms"),
)
Figures = dict[str, float | None]
Run = Callable[[], Awaitable[Figures]]


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two."""

    name: str
    folder: Path
    settings: dict[str, str]

    @property
    def python(self) -> str:
        own = self.folder / ".venv" / "bin" / "python"
        return str(own) if own.exists() else sys.executable


@dataclass(frozen=True, slots=True)
class Held:
    """What each run holds, and where."""

    sessions: int
    """Listeners at once."""
    seconds: float
    """For how long they begin turns."""
    interrupt: float = 0.0
    """Share of the replies that are spoken into."""
    servers: str = ""
    """The core of gateway and servers; empty: any."""
    clients: str = ""
    """The core of the bench; empty: any."""
    seed: int = 1
    """What is said, when and for how long: the same with the same seed."""


def side(text: str) -> Side:
    """FOLDER[:NAME=VALUE[,NAME=VALUE]], for argparse."""
    folder, _, settings = text.partition(":")
    pairs = [each.partition("=") for each in settings.split(",") if each]
    if not (Path(folder) / "parley_cli").is_dir() or not all(sign for _, sign, _ in pairs):
        raise argparse.ArgumentTypeError(f"{text}: no checkout of Parley, or something that is no NAME=VALUE")
    return Side(text, Path(folder).resolve(), {name: value for name, _, value in pairs})


async def figures_of(house: House, held: Held) -> Figures:
    """The figures of one run."""
    cores = ("--cores", held.clients) if held.clients else ()
    interrupting = ("--interrupt", str(held.interrupt)) if held.interrupt else ()
    much = ("--sessions", str(held.sessions), "--seconds", str(held.seconds))
    found = await bench(house, *much, "--seed", str(held.seed), *cores, *interrupting)
    return {name: value if isinstance(value := found[name], int | float) else None for name in FIGURES}


def opened(which: Side, held: Held) -> AbstractAsyncContextManager[House]:
    """All processes of it, where they are to be."""
    pinned = ("taskset", "-c", held.servers) if held.servers else ()
    return open_checkout((*pinned, which.python), which.folder, "scripted", which.settings)


async def run(which: Side, held: Held) -> Figures:
    """Start it, and hold the sessions."""
    async with opened(which, held) as house:
        return await figures_of(house, held)


async def together(a: Side, b: Side, held: Held) -> tuple[Figures, Figures]:
    """Start both, and have both hold their sessions at the same time."""
    async with opened(a, held) as first, opened(b, held) as second:
        return await both(figures_of(first, held), figures_of(second, held))


async def both(a: Coroutine[object, object, Figures], b: Coroutine[object, object, Figures]) -> tuple[Figures, Figures]:
    """What two that run at the same time give."""
    try:
        async with asyncio.TaskGroup() as tasks:
            first, second = tasks.create_task(a), tasks.create_task(b)
    except BaseExceptionGroup as group:
        raise first_of(group) from None
    return first.result(), second.result()


async def pairs(a: Run, b: Run, count: int) -> tuple[list[Figures], list[Figures]]:
    """`count` pairs of runs, A B B A and so on; gives the figures of each side."""
    found: dict[str, list[Figures]] = {"A": [], "B": []}
    for number in range(count):
        for name in "AB" if number % 2 == 0 else "BA":
            figures = await (a() if name == "A" else b())
            found[name].append(figures)
            print(name, {key: value for key, value in figures.items() if value is not None}, flush=True)
    return found["A"], found["B"]


async def pairs_together(a: Side, b: Side, held: Held, count: int) -> tuple[list[Figures], list[Figures]]:
    """`count` runs of both at the same time; gives the figures of each side."""
    found = [await together(a, b, held) for _ in range(count)]
    return [first for first, _ in found], [second for _, second in found]


def row(name: str, a: list[Figures], b: list[Figures]) -> str:
    """A figure of both, and their ratio."""
    pairs = [
        (x, y)
        for first, second in zip(a, b, strict=True)
        if (x := first[name]) is not None and (y := second[name]) is not None
    ]
    if not pairs:
        return f"{name:<24}{'-':>12}{'-':>12}"
    ours, theirs = (statistics.median(values) for values in zip(*pairs, strict=True))
    ratios = sorted(y / x for x, y in pairs if x)
    spread = f"{statistics.median(ratios):>10.3f}   {ratios[0]:.3f} to {ratios[-1]:.3f}" if ratios else f"{'-':>10}"
    return f"{name:<24}{ours:>12.3f}{theirs:>12.3f}{spread}"


async def main() -> None:
    """Read the arguments, and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("a", type=side, metavar="A")
    parser.add_argument("b", type=side, metavar="B")
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--pairs", type=int, default=4)
    parser.add_argument("--together", action="store_true", help="both at the same time, not in turn")
    parser.add_argument("--interrupt", type=float, default=0.0, help="share of the replies that are spoken into")
    parser.add_argument(
        "--servers", default="", metavar="CORE", help="where gateway and servers are kept; empty: anywhere"
    )
    parser.add_argument("--clients", default="", metavar="CORE", help="where the bench is kept; empty: anywhere")
    given = parser.parse_args()
    held = Held(given.sessions, given.seconds, given.interrupt, given.servers, given.clients)
    if given.together:
        a, b = await pairs_together(given.a, given.b, held, given.pairs)
    else:
        a, b = await pairs(partial(run, given.a, held), partial(run, given.b, held), given.pairs)
    print(f"\nA: {given.a.name}\nB: {given.b.name}\n{'median':<24}{'A':>12}{'B':>12}{'B / A':>10}   least to most")
    for name in FIGURES:
        print(row(name, a, b))


if __name__ == "__main__":
    asyncio.run(main())
