"""The packets of a microphone in their order, those on which nothing hangs when the event loop is idle.

A client puts packets together where no decision hangs on them (`PacketTime`), so they can wait a little more: until the
gateway has done what somebody waits for. Knows nothing of what is done with them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from parley.errors import ParleyError
from serving.telemetry import clock_ns

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from edge_gateway.connection import ClientConnection
    from edge_gateway.idle_callbacks import IdleCallbacks
    from parley.conversation import AudioPacket, Request

    Hear = Callable[[AudioPacket, int], None]

# The next ones come in 80 ms; what was said last is shown that much later on a gateway that is never idle.
_MOST_SECONDS: Final = 0.16
# In that time three come at most; who sends faster than time must not have them heard in a crowd.
_MOST_HELD: Final = 4


class HeldPackets:
    """The packets of one session."""

    def __init__(self, hear: Hear, idle: IdleCallbacks, clock: Callable[[], int] = clock_ns) -> None:
        """Have `hear` take each packet, and when it came by `clock`, in nanoseconds; it may raise a `ParleyError`."""
        self._hear = hear
        self._idle = idle
        self._clock = clock
        self._held: list[tuple[AudioPacket, int]] = []
        self._errors: list[ParleyError] = []

    async def received(self, connection: ClientConnection) -> AsyncIterator[Request | ParleyError]:
        """What comes from a listener: packets are heard before what comes behind them.

        An error stands for a message that could not be read, or a packet that could not be heard.
        """
        try:
            async for request in connection.received(self._take):
                for error in self._flush():
                    yield error
                yield request
            for error in self._flush():
                yield error
        finally:
            # Whoever has stopped reading hears no more.
            self._held.clear()

    def _take(self, packet: AudioPacket) -> None:
        """Have a packet heard: now, behind all that wait, or later if nothing hangs on it.

        Raises:
            ParleyError: it could not be heard, or one that had waited could not.
        """
        received_ns = self._clock()
        if packet.packets > 1 and len(self._held) < _MOST_HELD:
            if not self._held:
                self._idle.request(self._hear_held, _MOST_SECONDS)
            self._held.append((packet, received_ns))
        else:
            self._hear_held()
            self._hear(packet, received_ns)
        if self._errors:
            # Who takes packets can tell one for each.
            raise self._errors.pop(0)

    def _flush(self) -> list[ParleyError]:
        """Have what waits heard now; gives why packets that had waited could not be."""
        self._hear_held()
        errors, self._errors = self._errors, []
        return errors

    def _hear_held(self) -> None:
        held, self._held = self._held, []
        for packet, received_ns in held:
            try:
                self._hear(packet, received_ns)
            except ParleyError as error:
                self._errors.append(error)
