"""A deadline for somebody else, which does not pass because we ourselves were held up.

Knows nothing of what is waited for.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_LOOK_SECONDS: Final = 0.25
"""How often the loop's own lag is looked at while something is due."""

# More than a busy loop's timers are late by.
_HELD_UP_SECONDS: Final = 0.05
# Timers may be a little early.
_TOLERANCE_SECONDS: Final = 0.005
# A loop that is held up all the time hardly hears of a server that is dead, and must tell of it some time.
_LONGEST_SECONDS: Final = 30.0


class Deadline:
    """A time by which something must have happened, on a clock that stands still while the loop is held up.

    A timer costs a packet nothing: one is set while something is due, and not moved when that changes.
    """

    def __init__(self, passed: Callable[[], bool]) -> None:
        """`passed` is called once it has passed; False: not now, ask again a little later."""
        self._passed = passed
        self._loop = asyncio.get_running_loop()
        self._held_up_seconds = 0.0
        self._at: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._looks_at = 0.0
        self._told_at = 0.0
        """When it passes at the latest, loop time."""
        self._is_over = False

    def now(self) -> float:
        """Seconds on the clock that stands still."""
        return self._loop.time() - self._held_up_seconds

    def set(self, at: float | None) -> None:
        """Let it pass `at` this time of `now`, which is further away than a look; None: nothing is due."""
        if at == self._at or self._is_over:
            return
        self._at = at
        if at is None:
            return
        self._told_at = at + self._held_up_seconds + _LONGEST_SECONDS
        if self._timer is None:
            self._arm(at)

    def close(self) -> None:
        """Nothing is due any more."""
        self._is_over = True
        if self._timer is not None:
            self._timer.cancel()

    def _arm(self, at: float) -> None:
        now = self._loop.time()
        left = at + self._held_up_seconds - now
        self._looks_at = now + (min(left, _LOOK_SECONDS) if left > 0 else _LOOK_SECONDS)
        self._timer = self._loop.call_at(self._looks_at, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._at is None:
            return
        late_seconds = self._loop.time() - self._looks_at
        if late_seconds > _HELD_UP_SECONDS:
            # What should have been read meanwhile lies unread: it is looked at before anybody is blamed.
            self._held_up_seconds += late_seconds
            is_to_pass = self._loop.time() >= self._told_at
        else:
            is_to_pass = True
        if is_to_pass and self.now() >= self._at - _TOLERANCE_SECONDS and self._passed():
            self._is_over = True
        else:
            self._arm(self._at)
