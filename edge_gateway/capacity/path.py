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
from edge_gateway.capacity.newcomers import Newcomers

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
# People who came together talk together, and wait for each other's replies: how much there is to do is the most of so
# many looks, since one may fall into a pause of all.
_SWING_LOOKS: Final = 3
# Of fewer sessions what a part does without any is too large a share.
_FEWEST: Final = 8
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

    def __init__(self, session_cost: float = 0.0) -> None:
        """Every part has room; of each a session is thought to take the share `session_cost`, until it takes more."""
        self._session_cost = session_cost
        self.newcomers = Newcomers()
        """The sessions whose cost is not in what the parts have told."""
        self._parts: dict[str, _Part] = {}
        self._is_saturated = False

    def look(self, now: float, parts: Sequence[PartLoad], sessions: int) -> None:
        """See how much each part has to do for so many `sessions`."""
        self.newcomers.look(now)
        self._parts = {each.part: self._parts.get(each.part, _Part(self._session_cost)) for each in parts}
        for each in parts:
            self._parts[each.part].look(each, sessions)
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

    def takes(self, sessions: int, entering: int) -> bool:
        """One more comes in at once, beside so many `sessions`, some of them `entering`; else it waits for a look."""
        return sessions < ALWAYS_TAKEN or (not self.full and self.room(entering) >= 1)

    def room(self, entering: int) -> float:
        """How many more may come in before the next look, beside so many that are `entering`; infinite: not known."""
        parts = self._parts.values() or (_Part(self._session_cost),)
        return max(0.0, min(part.room for part in parts) - self.newcomers.count - entering)

    @property
    def fullest(self) -> str:
        """The part that has room for the fewest; empty: none has told anything."""
        return min(self._parts, key=lambda name: self._parts[name].room, default="")

    def too_many(self, sessions: int) -> int:
        """How many of so many `sessions` should go, of those that have only just come; asked after each look."""
        if not self._is_saturated:
            return 0
        return min(max(1, sessions // _GOING), max(0, sessions - ALWAYS_TAKEN))


class _Part:
    """What is known of one."""

    def __init__(self, least_cost: float) -> None:
        self.is_full = False
        self._full_looks = 0
        self._busy: deque[float] = deque((0.0,), maxlen=_SWING_LOOKS)
        self._least_cost = self._cost = least_cost

    def look(self, load: PartLoad, sessions: int) -> None:
        self._busy.append(load.busy)
        self._full_looks = self._full_looks + 1 if load.is_full else 0
        self.is_full = self._full_looks >= _LASTS_LOOKS or (self.is_full and not load.is_roomy)
        if sessions >= _FEWEST:
            cost = load.busy / sessions
            learnt = self._cost + (_UP if cost > self._cost else _DOWN) * (cost - self._cost)
            # Sessions of which few talk say little of what newcomers will cost.
            self._cost = max(self._least_cost, learnt)

    @property
    def room(self) -> float:
        """How many sessions more it bears; infinite: not known."""
        return max(0.0, FULL - max(self._busy)) / self._cost if self._cost else float("inf")
