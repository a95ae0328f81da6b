"""A timer that tells how late the event loop comes to it, and what the loop's thread computes. Decides nothing."""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from edge_gateway.capacity.lateness import PERIOD_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Timer = Callable[[float, float, float], None]
    """Called with now, how late that is, and what the thread has computed until now; all in seconds."""


@contextmanager
def watched_loop(timer: Timer, clock: Callable[[], float] = time.monotonic) -> Iterator[None]:
    """Call `timer` in this block, fifty times a second as long as the loop comes to it; `clock` is in seconds."""
    watch = _Watch(timer, clock)
    try:
        yield
    finally:
        watch.stop()


class _Watch:
    """A timer that is set anew whenever it goes off."""

    def __init__(self, timer: Timer, clock: Callable[[], float]) -> None:
        self._timer, self._clock = timer, clock
        self._loop = asyncio.get_running_loop()
        self._due, self._handle = self._next(clock())

    def stop(self) -> None:
        self._handle.cancel()

    def _come(self) -> None:
        now = self._clock()
        # A loop counts from when it last looked at its own clock, and so may come a little early.
        self._timer(now, max(0.0, now - self._due), time.thread_time())
        self._due, self._handle = self._next(now)

    def _next(self, now: float) -> tuple[float, asyncio.TimerHandle]:
        return now + PERIOD_SECONDS, self._loop.call_later(PERIOD_SECONDS, self._come)
