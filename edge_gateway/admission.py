"""Lets sessions in up to the limit, and shows them out when the gateway stops. Knows nothing of transports."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from edge_gateway.session import Services, Session
from parley.errors import Overloaded, Unavailable

if TYPE_CHECKING:
    from edge_gateway.connection import Peer

_RETRY_AFTER_MS: Final = 2_000


class Lobby:
    """The sessions of this process."""

    def __init__(self, services: Services, max_sessions: int) -> None:
        """Take at most `max_sessions` at once."""
        self._services = services
        self._max = max_sessions
        self._sessions = 0
        self._closing = False
        self._empty = asyncio.Event()
        self._empty.set()

    def check(self) -> None:
        """See whether one more session may come in.

        Raises:
            Overloaded: the gateway is full.
            Unavailable: the gateway is stopping.
        """
        if self._closing:
            raise Unavailable("the gateway is stopping: connect again", retry_after_ms=_RETRY_AFTER_MS)
        if self._sessions >= self._max:
            raise Overloaded(f"all {self._max} sessions are taken: try again soon", retry_after_ms=_RETRY_AFTER_MS)

    async def hold(self, peer: Peer) -> None:
        """Hold a session with `peer` until it ends."""
        self._sessions += 1
        self._empty.clear()
        self._services.means.reports.session_began()
        try:
            await Session(peer, self._services).run()
        finally:
            self._sessions -= 1
            self._services.means.reports.session_ended()
            if not self._sessions:
                self._empty.set()

    async def drain(self, seconds: float) -> None:
        """Take nobody in any more, and wait until the last session has ended or the time is over."""
        self._closing = True
        try:
            async with asyncio.timeout(seconds):
                await self._empty.wait()
        except TimeoutError:
            return
