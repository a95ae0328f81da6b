"""Work that can wait until the event loop is idle, as with a browser's `requestIdleCallback`.

A turn of the loop does all that has come since the last one, so what somebody waits for stands behind what nobody does.
Knows nothing of what the work is.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

# A turn that took longer did something else, or stood behind another process; so may the next. Work runs after a
# shorter one, a piece at a time: an idle loop's next turn comes at once.
_IDLE_TURN_SECONDS: Final = 0.001
# A loop that is never idle does not leave all to its timeouts, when it would come in a crowd: from so long before on, a
# few pieces run in each turn.
_SOON_SECONDS: Final = 0.1
_MOST_OF_A_TURN: Final = 2


class IdleCallbacks:
    """What waits for one event loop to be idle; the work that times out first comes first."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Let nothing wait yet; `clock` is in seconds, and goes on within a turn of the loop."""
        self._clock = clock
        self._waiting: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._turn_began = 0.0

    def request(self, work: Callable[[], None], timeout_seconds: float) -> None:
        """Have `work` called when the loop is idle, and after `timeout_seconds` in any case."""
        now = self._clock()
        if not self._waiting:
            self._watch(now)
        heappush(self._waiting, (now + timeout_seconds, next(self._numbers), work))

    async def idle(self, timeout_seconds: float) -> None:
        """Return when the loop is idle, and after `timeout_seconds` in any case."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.request(lambda: None if turn.done() else turn.set_result(None), timeout_seconds)
        await turn

    def _watch(self, now: float) -> None:
        self._turn_began = now
        asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        now, run = self._clock(), 0
        is_idle = now - self._turn_began < _IDLE_TURN_SECONDS
        try:
            while self._waiting and _may_run(self._waiting[0][0] - now, run, is_idle=is_idle):
                run += 1
                heappop(self._waiting)[-1]()
        finally:
            if self._waiting:
                self._watch(self._clock())


def _may_run(left_seconds: float, run: int, *, is_idle: bool) -> bool:
    """Whether a piece of work that times out so soon may run in a turn in which `run` pieces have."""
    if left_seconds <= 0:
        return True
    return run == 0 if is_idle else left_seconds <= _SOON_SECONDS and run < _MOST_OF_A_TURN
