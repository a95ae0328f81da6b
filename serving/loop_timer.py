"""A timer that tells how late the event loop comes to it. Decides nothing."""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Told = Callable[[float, float], None]
    """Called with now, and how late that is; both in seconds."""


@contextmanager
def loop_timer(
    period_seconds: float | Callable[[], float], told: Told, clock: Callable[[], float] = time.monotonic
) -> Iterator[Callable[[], None]]:
    """Call `told` in this block after each `period_seconds`, or when the loop comes to it; `clock` is in seconds.

    A period that changes is asked for after each call; what the block gives sets the next call anew by it.
    """
    timer = _Timer(period_seconds if callable(period_seconds) else lambda: period_seconds, told, clock)
    try:
        yield timer.set_anew
    finally:
        timer.stop()


class _Timer:
    """It is set anew whenever it goes off."""

    def __init__(self, period_seconds: Callable[[], float], told: Told, clock: Callable[[], float]) -> None:
        self._period_seconds, self._told, self._clock = period_seconds, told, clock
        self._loop = asyncio.get_running_loop()
        self._due, self._handle = self._next(clock())

    def stop(self) -> None:
        self._handle.cancel()

    def set_anew(self) -> None:
        self._handle.cancel()
        self._due, self._handle = self._next(self._clock())

    def _come(self) -> None:
        now = self._clock()
        # A loop counts from when it last looked at its own clock, and so may come a little early.
        self._told(now, max(0.0, now - self._due))
        self._due, self._handle = self._next(now)

    def _next(self, now: float) -> tuple[float, asyncio.TimerHandle]:
        seconds = self._period_seconds()
        return now + seconds, self._loop.call_later(seconds, self._come)
