"""News that are decided on one after the other, and time that passes between them.

Whoever brings news for which nobody has to wait decides on them then and there, in their own task: that spares a turn
of the loop. While a decision is being made, what comes waits for whoever makes it. A task that a decision may end must
not decide, since it would wait for its own end: its news are posted, and the task of `run` decides.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from parley._flag import Flag

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

News = TypeVar("News")

# News that wait for a decision; more hold up those who bring them.
_MOST: Final = 1_000


class Inbox(Generic[News]):
    """The news of one session."""

    def __init__(
        self,
        decide: Callable[[News], Awaitable[None]],
        wake_at: Callable[[], float | None],
        time_has_passed: Callable[[], Awaitable[None]],
    ) -> None:
        """Have `decide` called with each, and `time_has_passed` `wake_at` that loop time; None: no need.

        The time is asked for after each decision.
        """
        self._decide = decide
        self._wake_at = wake_at
        self._time_has_passed = time_has_passed
        self._waiting: list[News] = []
        self._is_deciding = self._is_time = self._is_over = False
        self._posted = Flag()
        self._calm = Flag()
        """Set whenever nothing waits any more."""
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at: float | None = None

    async def run(self) -> None:
        """Decide on what is posted, and on time that has passed, until cancelled; after that nothing is decided."""
        try:
            while True:
                await self._posted.wait()
                self._posted.clear()
                await self._go_through()
        finally:
            self._is_over = True
            if self._timer is not None:
                self._timer.cancel()

    async def bring(self, news: News) -> None:
        """Decide on news now, or leave them to whoever decides now; never called by what a decision may end."""
        await self._add(news)
        await self._go_through()

    async def post(self, news: News) -> None:
        """Leave news to the task of `run`."""
        await self._add(news)
        self._posted.set()

    async def settled(self) -> None:
        """Return when nothing waits for a decision."""
        while self._waiting or self._is_deciding:
            await self.next_calm()

    async def next_calm(self) -> None:
        """Return when something more has been decided."""
        self._calm.clear()
        await self._calm.wait()

    async def _add(self, news: News) -> None:
        while len(self._waiting) >= _MOST:
            await self.next_calm()
        self._waiting.append(news)

    async def _go_through(self) -> None:
        if self._is_deciding or self._is_over:
            return
        self._is_deciding = True
        try:
            while self._waiting or self._is_time:
                if self._waiting:
                    await self._decide(self._waiting.pop(0))
                else:
                    self._is_time = False
                    await self._time_has_passed()
        finally:
            self._is_deciding = False
            self.set_timer()
            self._calm.set()

    def set_timer(self) -> None:
        """Ask anew when time is to be looked at."""
        at = self._wake_at() if not self._is_over else None
        if at == self._timer_at:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(at, self._time_is_up) if at is not None else None
        self._timer_at = at

    def _time_is_up(self) -> None:
        self._timer = self._timer_at = None
        self._is_time = True
        self._posted.set()
