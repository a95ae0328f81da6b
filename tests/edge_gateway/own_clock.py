"""A clock that a test moves: what waits for time comes at once, and everything else is as real as ever."""

from __future__ import annotations

import asyncio
from typing import Final

# Between two steps whatever is due is done, over real sockets.
_STEP_SECONDS: Final = 0.1
_BREATH_SECONDS: Final = 0.003


class OwnClock:
    """Runs ahead of the event loop's clock: of its timers and deadlines, and of nothing else.

    Make it before anything that reads the clock.
    """

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self._real = loop.time
        self._ahead_seconds = 0.0
        loop.time = self._now  # type: ignore[method-assign]  # the loop of one test, which ends with it

    async def advance(self, seconds: float) -> None:
        """Let so much time pass."""
        until = self._ahead_seconds + seconds
        while self._ahead_seconds < until:
            self._ahead_seconds = min(self._ahead_seconds + _STEP_SECONDS, until)
            await self._breathe()

    async def _breathe(self) -> None:
        taken = asyncio.Event()
        asyncio.get_running_loop().call_later(_BREATH_SECONDS, taken.set)
        await taken.wait()

    def _now(self) -> float:
        return self._real() + self._ahead_seconds
