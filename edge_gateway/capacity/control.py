"""PURE: how many newcomers a gateway lets in, and when it is overloaded. Seconds on any steady clock.

Own delay is many turns of the event loop in series, so what a loop is late by is what every listener waits many times.
Past a limit nobody comes in any more, so that who is in is served as before.
"""

from __future__ import annotations

from typing import Final

from edge_gateway.capacity.lateness import Lateness

OVERLOADED_SECONDS: Final = 0.025
"""Above this (95th percentile of a second, for two seconds) people are refused: it is more than a packet's length."""
RECOVERED_SECONDS: Final = 0.01
"""Below this they are again: so far below that one conversation more or less does not lead from one to the other."""
ALWAYS_TAKEN: Final = 8
"""So few conversations are not what keeps a loop: something else on the machine does, and refusing helps nobody."""

_SHARE: Final = 0.95
# A rush of newcomers holds the loop up by itself, and is over soon; they wait meanwhile, and are not refused.
_LASTS_SECONDS: Final = 2.0
# Beginning a conversation costs about as much as a second of it. So many at once come in only as fast as the loop can
# begin them, and who is in goes before: a batch a timer, greater by one after each that was on time, half after others.
_ON_TIME_SECONDS: Final = 0.005
_LARGEST_BATCH: Final = 64
_FIRST_BATCH: Final = 32
# Nor do they come in while most timers of a fifth of a second are late.
_HOLD_SECONDS: Final = 0.2
_HOLD_SHARE: Final = 0.8
_HELD_UP_SECONDS: Final = 0.015
# Many who come together are let in before they talk, and only their talking shows whether that was too many. The last
# of them go again, a sixteenth of all each time, and how late the loop is then tells whether more have to.
_LOOK_SECONDS: Final = 0.25
_GOING: Final = 16


class LoadControl:
    """What is decided at each timer."""

    def __init__(self) -> None:
        """Nothing is late yet."""
        self._lateness = Lateness()
        self._batch = self._left = _FIRST_BATCH
        self._looked_at = 0.0
        self._late_since: float | None = None
        self.is_overloaded = False

    def takes(self, sessions: int) -> bool:
        """One more comes in at once, beside so many `sessions`; else it has to wait for a timer."""
        if sessions < ALWAYS_TAKEN:
            return True
        if self.is_overloaded or not self._left:
            return False
        self._left -= 1
        return True

    def refuses(self, sessions: int) -> bool:
        """True when nobody can come in beside so many `sessions` for a while."""
        return self.is_overloaded and sessions >= ALWAYS_TAKEN

    def timer(self, now: float, late_seconds: float) -> None:
        """A timer came, so much too late; from now on others may come in."""
        self._lateness.note(now, late_seconds)
        self._judge(now, late_seconds)
        if late_seconds > _ON_TIME_SECONDS:
            self._batch = max(1, self._batch // 2)
        else:
            self._batch = min(_LARGEST_BATCH, self._batch + 1)
        held = self._lateness.quantile(_HOLD_SHARE, now, _HOLD_SECONDS) > _HELD_UP_SECONDS
        self._left = 0 if held or late_seconds > _HELD_UP_SECONDS else self._batch

    def _judge(self, now: float, late_seconds: float) -> None:
        late = self._lateness.quantile(_SHARE, now)
        if late <= (RECOVERED_SECONDS if self.is_overloaded else OVERLOADED_SECONDS):
            self.is_overloaded, self._late_since = False, None
            return
        if self._late_since is None:
            self._late_since = now - late_seconds
        if now - self._late_since >= _LASTS_SECONDS:
            self.is_overloaded = True

    def too_many(self, now: float, sessions: int) -> int:
        """How many of so many `sessions` should go now, of those that have only just come; asked at each timer."""
        if not self.is_overloaded or now - self._looked_at < _LOOK_SECONDS:
            return 0
        self._looked_at = now
        if self._lateness.quantile(0.5, now, _LOOK_SECONDS) <= OVERLOADED_SECONDS:
            return 0
        return min(max(1, sessions // _GOING), max(0, sessions - ALWAYS_TAKEN))
