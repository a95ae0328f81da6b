"""Connections that nobody knows yet whether they become sessions. PURE but for whose transports they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable


class Arrivals:
    """Counts each from when it comes until its first request is known, or it is gone."""

    def __init__(self) -> None:
        """None has come."""
        self._unheard: dict[asyncio.BaseProtocol, asyncio.BaseTransport | None] = {}
        self.changed: Callable[[], None] = _nothing
        """Called when there is one less, and no session more."""

    def comes(self, protocol: asyncio.BaseProtocol) -> None:
        """A connection, served by `protocol`, is being opened."""
        self._unheard[protocol] = None

    def is_open(self, protocol: asyncio.BaseProtocol, transport: asyncio.BaseTransport) -> None:
        """It has a `transport` now; what it asks for may be known already."""
        if protocol in self._unheard:
            self._unheard[protocol] = transport

    def asked(self, protocol: asyncio.BaseProtocol) -> None:
        """It has asked for something that is no session, or could not be opened."""
        if protocol in self._unheard:
            del self._unheard[protocol]
            self.changed()

    def begins_session(self, protocol: asyncio.BaseProtocol) -> None:
        """It is a session's, which is counted elsewhere from now on."""
        self._unheard.pop(protocol, None)

    def count(self) -> int:
        """How many there are."""
        gone = [each for each, transport in self._unheard.items() if transport is not None and transport.is_closing()]
        for each in gone:
            del self._unheard[each]
        return len(self._unheard)


def _nothing() -> None:
    """Nobody wants to know."""
