"""Lets sessions in up to the limit, and shows them out when the gateway stops. Knows nothing of transports."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from edge_gateway.error_events import error_event
from edge_gateway.session import Session
from parley.errors import Overloaded, ShuttingDown

if TYPE_CHECKING:
    from edge_gateway.backends import Backends
    from edge_gateway.connection import ClientConnection

_RETRY_AFTER_MS: Final = 2_000


class Admission:
    """The sessions of this process."""

    def __init__(self, backends: Backends, max_sessions: int) -> None:
        """Take at most `max_sessions` at once."""
        self._backends = backends
        self._max = max_sessions
        self._sessions: set[asyncio.Timeout] = set()
        self._closing = False
        self._empty = asyncio.Event()
        self._empty.set()

    def check(self) -> None:
        """See whether one more session may come in.

        Raises:
            Overloaded: the gateway is full.
            ShuttingDown: the gateway is stopping.
        """
        if self._closing:
            raise _stopping()
        if len(self._sessions) >= self._max:
            raise Overloaded(f"all {self._max} sessions are taken: try again soon", retry_after_ms=_RETRY_AFTER_MS)

    async def hold(self, connection: ClientConnection) -> None:
        """Hold a session with `connection` until it ends, or the gateway must stop."""
        until = asyncio.timeout(None)
        self._sessions.add(until)
        self._empty.clear()
        self._backends.metrics.session_began()
        try:
            async with until:
                await Session(connection, self._backends).run()
        except TimeoutError:
            if not until.expired():
                raise
            await connection.send(error_event(_stopping(), "gateway", ends_session=True))
        finally:
            self._sessions.discard(until)
            self._backends.metrics.session_ended()
            if not self._sessions:
                self._empty.set()

    @property
    def occupancy(self) -> tuple[int, int]:
        """How many sessions there are, and how many there may be."""
        return len(self._sessions), self._max

    def close(self) -> None:
        """Take nobody in any more."""
        self._closing = True

    async def drain(self, seconds: float) -> None:
        """Take nobody in any more, let the sessions go on for so long, and then end those that are left."""
        self.close()
        try:
            async with asyncio.timeout(seconds):
                await self._empty.wait()
        except TimeoutError:
            for until in self._sessions:
                until.reschedule(asyncio.get_running_loop().time())
            await self._empty.wait()


def _stopping() -> ShuttingDown:
    return ShuttingDown("the gateway is stopping: connect again", retry_after_ms=_RETRY_AFTER_MS)
