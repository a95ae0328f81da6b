"""Parley, Pipecat and a bare server side by side: same client, same wire, engines that take no time.

    make bench-peers [ARGS="--only parley-pcm,pipecat --levels 1,20 --rounds 1 --no-limits"]
    make bench-peers ARGS="--only parley --limits"

Servers keep to one core and the bench to another. Each round runs every side at every level, in turn and the other way
round in the next one, and ratios are taken within a round: they hold on a machine whose speed does not. Then the most
sessions are looked for with which own delay stays at 100 ms (p99) and no packet of a reply comes late, in one of two
tries. What does not fit into --minutes is left out, in plain sight.

All sessions of a run are opened at once, which tells how many are ready a second, and begin to speak one after the
other; figures are told of what comes then.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.benching import NothingMeasured
from benchmarks.peers import sides
from benchmarks.peers.goals import Found, table
from benchmarks.peers.limit import Outcome, largest, outcome
from benchmarks.peers.sides import (
    FLOOR,
    PARLEY,
    PARLEY_PCM,
    PARLEY_UNTRACED,
    PIPECAT,
    SIDES,
    Cores,
    Load,
    Side,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

# What a run takes beyond its seconds: start, ramp, last turns, end. One that takes longer has collapsed.
_AROUND_SECONDS: Final = 15.0
_COLLAPSED_SECONDS: Final = 45.0
# A turn with its reply and the pause after it; and whoever is silent then is in a silence that the page leaves out.
_RAMP_SECONDS: Final = 5.0
_ALWAYS: Final = (PARLEY, PARLEY_PCM, PIPECAT, FLOOR)
_LEVELS: Final = {1: _ALWAYS, 20: (*_ALWAYS, PARLEY_UNTRACED), 40: _ALWAYS, 100: (PARLEY,)}
_GUESSES: Final = {PARLEY.name: 80, PIPECAT.name: 15}
# Sessions that say nothing cost something too.
_HALF_SILENT: Final = 1.6
_LIMIT_SIDES: Final = ("parley", "pipecat")
_SHOWN: Final = (
    *("own_delay_p50_ms", "own_delay_p99_ms", "late_packets", "cpu_per_session_minute"),
    *("left_out_percent", "client_late_p99_ms"),
)


class Clock:
    """What time is left."""

    def __init__(self, minutes: float) -> None:
        self._ends = time.monotonic() + minutes * 60

    def has(self, seconds: float) -> bool:
        """So much is left."""
        return time.monotonic() + seconds <= self._ends


async def run(side: Side, load: Load, cores: Cores) -> dict[str, Any] | None:
    """One run; None: it collapsed."""
    try:
        async with asyncio.timeout(load.seconds + _COLLAPSED_SECONDS):
            found = await sides.figures(side, load, cores)
    except (NothingMeasured, TimeoutError) as error:
        print(f"{load.sessions:>5}  {side.name}: {str(error) or 'it did not end in time'}", flush=True)
        return None
    silent = f", {load.silent:.0%} silent" if load.silent else ""
    print(f"{load.sessions:>5}  {side.name}{silent}", {name: found[name] for name in _SHOWN}, flush=True)
    return found


def planned(given: argparse.Namespace) -> Iterator[tuple[Side, int]]:
    """Every run of the rounds, in their order."""
    once = [
        (side, sessions)
        for sessions in given.levels
        for side in _LEVELS.get(sessions, _ALWAYS)
        if any(SIDES[name] is side for name in given.only)
    ]
    for number in range(given.rounds):
        yield from once if number % 2 == 0 else reversed(once)


async def rounds(given: argparse.Namespace, cores: Cores, clock: Clock, found: Found) -> None:
    for side, sessions in planned(given):
        if not clock.has(given.seconds + _AROUND_SECONDS):
            print(f"{sessions:>5}  {side.name}: left out, the time is over")
            continue
        found.add(side, sessions, await run(side, Load(sessions, given.seconds, _RAMP_SECONDS), cores))


async def limits(given: argparse.Namespace, cores: Cores, clock: Clock, found: Found) -> None:
    for side in (SIDES[name] for name in _LIMIT_SIDES if name in given.only):
        guess = _GUESSES[side.name] if given.guess is None else given.guess
        active = await limit(side, 0.0, guess, given, (cores, clock, found))
        await limit(side, 0.5, round(active * _HALF_SILENT), given, (cores, clock, found))


async def limit(
    side: Side, silent: float, guess: int, given: argparse.Namespace, around: tuple[Cores, Clock, Found]
) -> int:
    """Look for one limit, from `guess` on; gives what was found."""
    cores, clock, found = around

    async def tried(sessions: int) -> Outcome:
        if not clock.has(given.limit_seconds + _AROUND_SECONDS):
            raise TimeoutError
        return outcome(await run(side, Load(sessions, given.limit_seconds, _RAMP_SECONDS, silent), cores))

    try:
        sessions, hidden = await largest(tried, guess)
    except TimeoutError:
        print(f"{side.name}, {silent:.0%} silent: the limit is left out, the time is over")
        return guess
    found.limits[(side.name, silent)] = sessions, hidden
    return sessions


def numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(",")))


def names(text: str) -> tuple[str, ...]:
    chosen = tuple(text.split(","))
    if strange := [each for each in chosen if each not in SIDES]:
        raise argparse.ArgumentTypeError(f"{', '.join(strange)}: there are {', '.join(SIDES)}")
    return chosen


async def main() -> None:
    """Read the arguments, and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--levels", type=numbers, default=tuple(_LEVELS), metavar="N,N", help="sessions at once")
    parser.add_argument("--only", type=names, default=tuple(SIDES), metavar="NAME,NAME", help=", ".join(SIDES))
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=10, help="of each run of a round")
    parser.add_argument("--limit-seconds", type=float, default=8, help="of each run that looks for a limit")
    parser.add_argument("--guess", type=int, metavar="N", help="sessions with which to look first for a limit")
    either = parser.add_mutually_exclusive_group()
    either.add_argument("--limits", action="store_true", help="look for the limits alone")
    either.add_argument("--no-limits", action="store_true", help="look for no limits")
    parser.add_argument("--minutes", type=float, default=25, help="after which nothing more is begun")
    parser.add_argument("--servers", default="0", metavar="CORE", help="where the servers are kept; empty: anywhere")
    parser.add_argument("--clients", default="1", metavar="CORE", help="where the bench is kept; empty: anywhere")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    given = parser.parse_args()
    cores, clock, found = Cores(given.servers, given.clients), Clock(given.minutes), Found()
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(f"{machine}, load {os.getloadavg()[0]:.1f}", flush=True)
    if not given.limits:
        await rounds(given, cores, clock, found)
    if not given.no_limits:
        await limits(given, cores, clock, found)
    print("\n" + table(found))
    if given.json:
        given.json.write_text(json.dumps(found.as_object(), indent=1), encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(main())
