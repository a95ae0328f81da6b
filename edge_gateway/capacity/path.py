"""PURE: whether all that a session needs has room for one more: the gateway itself, and a server of each kind.

A gateway's own timers tell nothing of a server that has a machine of its own, nor of one that shares the gateway's core
and falls behind first. So each part tells how much it has to do, and one that has too much lets nobody in. Seconds are
those of any steady clock.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from edge_gateway.capacity.control import ALWAYS_TAKEN

if TYPE_CHECKING:
    from collections.abc import Sequence

FULL: Final = 0.9
"""From this share of its time on a part has too much to do: what comes next waits for several others."""
_ROOMY: Final = 0.8
FULL_LAG_SECONDS: Final = 0.05
"""The same for how late its event loop is, the mean of a second: more than any one piece of its work takes."""
_ROOMY_LAG_SECONDS: Final = 0.02
FULL_ENGINE_WAIT_SECONDS: Final = 1.0
"""The same for work that waits for its engine: so much later is each answer."""
_ROOMY_ENGINE_WAIT_SECONDS: Final = 0.25

# A rush, or one long piece of work, is no overload.
_LASTS_LOOKS: Final = 2
# Until newcomers talk, and a part has told of a second in which they did, it knows nothing of them.
_UNSEEN_SECONDS: Final = 3.0
# Of fewer sessions what a part does without any is too large a share.
_FEWEST: Final = 4
# What a session costs is believed soon where it is more than was thought, and late where it is less: few talk at times.
_UP, _DOWN = 0.5, 0.1
# Where a part has no time left at all nobody knows how many are too many.
_SATURATED: Final = 0.97
_GOING: Final = 8


@dataclass(frozen=True, slots=True)
class PartLoad:
    """How much one part has to do; of several servers that which has the least."""

    part: str
    """gateway, asr, llm or tts."""
    busy: float = 0.0
    """Share of the last second in which its event loop's thread computed, or waited for a processor."""
    lag_seconds: float = 0.0
    """How late its event loop comes round."""
    engine_wait_seconds: float = 0.0
    """How long work has waited for its engine."""

    @property
    def is_full(self) -> bool:
        """It has too much to do."""
        return (
            self.busy >= FULL
            or self.lag_seconds >= FULL_LAG_SECONDS
            or self.engine_wait_seconds >= FULL_ENGINE_WAIT_SECONDS
        )

    @property
    def is_roomy(self) -> bool:
        """It has so little to do that one session more or less does not make it full."""
        return (
            self.busy < _ROOMY
            and self.lag_seconds < _ROOMY_LAG_SECONDS
            and self.engine_wait_seconds < _ROOMY_ENGINE_WAIT_SECONDS
        )


class PathControl:
    """What is decided at each look, once a second."""

    def __init__(self) -> None:
        """Every part has room, and nobody knows what a session costs."""
        self._parts: dict[str, _Part] = {}
        self._came: deque[float] = deque()
        self._is_saturated = False

    def look(self, now: float, parts: Sequence[PartLoad], sessions: int) -> None:
        """See how much each part has to do for so many `sessions`."""
        self._parts = {each.part: self._parts.get(each.part, _Part()) for each in parts}
        for each in parts:
            self._parts[each.part].look(each, sessions)
        self._forget(now)
        self._is_saturated = any(
            part.is_full and (load.busy >= _SATURATED or load.lag_seconds >= FULL_LAG_SECONDS)
            for part, load in zip(self._parts.values(), parts, strict=True)
        )

    @property
    def full(self) -> str:
        """The part that has too much to do; empty: none has."""
        return next((name for name, part in self._parts.items() if part.is_full), "")

    def refuses(self, sessions: int) -> str:
        """The part because of which nobody can come in beside so many `sessions`; empty: there is none."""
        return self.full if sessions >= ALWAYS_TAKEN else ""

    def takes(self, now: float, sessions: int) -> bool:
        """One more comes in at once, beside so many `sessions`; else it has to wait for a look."""
        if sessions >= ALWAYS_TAKEN and (self.full or self.room(now) < 1):
            return False
        self._came.append(now)
        return True

    def room(self, now: float) -> float:
        """How many more may come in before the next look, by what those cost that are there; infinite: not known."""
        self._forget(now)
        most = min((part.room for part in self._parts.values()), default=float("inf"))
        return max(0.0, most - len(self._came))

    def too_many(self, sessions: int) -> int:
        """How many of so many `sessions` should go, of those that have only just come; asked after each look."""
        if not self._is_saturated:
            return 0
        return min(max(1, sessions // _GOING), max(0, sessions - ALWAYS_TAKEN))

    def _forget(self, now: float) -> None:
        while self._came and self._came[0] <= now - _UNSEEN_SECONDS:
            self._came.popleft()


class _Part:
    """What is known of one."""

    def __init__(self) -> None:
        self.is_full = False
        self._full_looks = 0
        self._busy = 0.0
        self._cost: float | None = None

    def look(self, load: PartLoad, sessions: int) -> None:
        self._busy = load.busy
        self._full_looks = self._full_looks + 1 if load.is_full else 0
        self.is_full = self._full_looks >= _LASTS_LOOKS or (self.is_full and not load.is_roomy)
        if sessions >= _FEWEST:
            cost = load.busy / sessions
            known = cost if self._cost is None else self._cost
            self._cost = known + (_UP if cost > known else _DOWN) * (cost - known)

    @property
    def room(self) -> float:
        """How many sessions more it bears; infinite: not known."""
        return max(0.0, FULL - self._busy) / self._cost if self._cost else float("inf")
