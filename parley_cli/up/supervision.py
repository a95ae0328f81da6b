"""PURE: what becomes of a process that ended: whether it is started again, and when. Seconds on any steady clock."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import Final

MISCONFIGURED: Final = 2
"""The status with which a server ends when the user has something to mend."""

_FIRST_SECONDS: Final = 0.5
_LONGEST_SECONDS: Final = 30.0
# Who served for so long did not end because of how it was started.
_STEADY_SECONDS: Final = 60.0
# Ends in a row after which it is no accident.
_LOOP: Final = 5
_LOOP_AT_START: Final = 3


@dataclass(frozen=True, slots=True)
class Exit:
    """How a process ended."""

    status: int
    """Its exit status; below zero: the signal that killed it."""
    said: str = ""
    """The last line that it wrote; empty: none."""

    @property
    def why(self) -> str:
        """The rest of a sentence that begins with the name of the process."""
        said = f": {self.said}" if self.said else ""
        if self.status == -signal.SIGKILL:
            return "was killed, as the system does when memory runs out (SIGKILL)"
        if self.status < 0:
            return f"was ended by {_name(-self.status)}{said}"
        if self.status == MISCONFIGURED and self.said:
            return f"cannot run{said}"
        return f"ended with status {self.status}{said}"


@dataclass(frozen=True, slots=True)
class Again:
    """It is started again."""

    after_seconds: float
    """When, from now."""
    told: str
    """What the user is told."""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """It is of no use to start it again."""

    told: str
    """What the user is told."""


class Restarts:
    """The ends of one process, and what they say about the next start."""

    def __init__(self, name: str) -> None:
        """Nothing has happened yet."""
        self._name = name
        self._ends = 0
        self._serving_since: float | None = None
        self._ended_at = 0.0

    def serving(self, now: float) -> str:
        """It serves; gives what the user is told of that, empty at its first start."""
        self._serving_since = now
        return f"{self._name} is back after {now - self._ended_at:.1f} s" if self._ends else ""

    def ended(self, end: Exit, now: float, *, at_start: bool) -> Again | GiveUp:
        """It ended by itself; `at_start`: before all of Parley served for the first time."""
        if self._serving_since is not None and now - self._serving_since >= _STEADY_SECONDS:
            self._ends = 0
        if self._ends == 0 or self._serving_since is not None:
            self._ended_at = now
        self._serving_since = None
        self._ends += 1
        if at_start and (end.status == MISCONFIGURED or self._ends >= _LOOP_AT_START):
            times = f", {self._ends} times in a row" if self._ends > 1 else ""
            return GiveUp(f"{self._name} {end.why}{times}")
        after = min(_LONGEST_SECONDS, _FIRST_SECONDS * 2 ** (self._ends - 1))
        again = f"it is started again in {after:g} s"
        if self._ends == _LOOP:
            again += (
                f". It has ended {self._ends} times in a row, so this is no accident: "
                f"`python -m {self._name.split()[0]}` shows all that it says, and `parley doctor` looks for the cause"
            )
        return Again(after, f"{self._name} {end.why}; {again}")


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
