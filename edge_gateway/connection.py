"""A listener, seen from a session: events to them, requests and packets from them, whatever the transport.

Knows nothing of WebSockets or gRPC; the transports know how.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from parley.conversation import AudioPacket, Encoding, Event, Request
    from parley.errors import ParleyError


class ClientConnection(Protocol):
    """One listener's connection."""

    encoding: Encoding
    """How the microphone's packets are to be read; set by the session once it is configured."""

    reply_encoding: Encoding
    """How the reply's packets are to be read; set by the session once it is configured."""

    caller: str
    """W3C traceparent of whoever opened it; empty: they have none."""

    address: str
    """IP address of the client, as far as it is known; empty: it is not."""

    half_closed: bool
    """The client will say no more, but listens; set when `received` ends that way."""

    def received(self, hear: Callable[[AudioPacket], None]) -> AsyncIterator[Request | ParleyError]:
        """What comes from the listener, until they leave; an error stands for a message that could not be read.

        Sound is no part of it: each packet goes to `hear`, in its place among the others, and what that raises comes
        as an error.
        """
        ...

    async def send(self, event: Event) -> None:
        """Send an event. A listener who has left is no error: `received` ends."""
        ...

    async def send_audio(self, packets: list[AudioPacket]) -> None:
        """Send packets of a reply, in order."""
        ...
