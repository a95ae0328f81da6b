"""The browser's WebSocket: text frames are JSON events, binary frames are packets. Knows nothing of turns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Self

from aiohttp import WSMsgType
from aiohttp.http import WebSocketError

from edge_gateway.transports.packet_socket import PacketSocket
from parley.conversation import (
    MAX_OPUS_BYTES,
    MAX_PCM_BYTES,
    MAX_TEXT_BYTES,
    AudioPacket,
    Encoding,
    Event,
    Request,
    event_to_json,
    pack_reply,
    request_from_json,
    unpack_mic,
)
from parley.errors import InvalidInput, ParleyError, TooLarge

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from aiohttp import WSMessage

_HARD_LIMIT_BYTES: Final = 1024 * 1024
"""Above this the connection is closed (1009); between this and our own limits the frame gets an error event."""

_ENDS: Final = frozenset({WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED})
_PEERS_ERRORS: Final = (WebSocketError, OSError)
"""What a socket ends with that breaks, or whose peer breaks the protocol."""


class WebSocketConnection:
    """A listener behind a WebSocket."""

    def __init__(self, socket: PacketSocket, caller: str = "", address: str = "") -> None:
        """Speak over a socket that is open, that the span of the traceparent `caller` has opened, from `address`."""
        self._socket = socket
        self.caller = caller
        self.address = address
        self.encoding = Encoding.OPUS
        self.reply_encoding = Encoding.OPUS
        self.half_closed = False
        """A WebSocket closes as a whole."""
        self._hear: Callable[[AudioPacket], None] = _unheard

    def received(self, hear: Callable[[AudioPacket], None]) -> AsyncIterator[Request | ParleyError]:
        """Requests until the socket closes, packets to `hear`; what cannot be read comes as its error."""
        self._hear = hear
        return self

    def __aiter__(self) -> Self:
        """No generator: it would be resumed inside those that wait for it."""
        return self

    async def __anext__(self) -> Request | ParleyError:
        """The next one; what is here already comes without a turn of the loop."""
        while True:
            # While nobody waits here what came last is being looked at, and sound waits for the end of that.
            self._socket.arrivals.hear = self._hear_frame
            try:
                message = await self._socket.receive()
            finally:
                self._socket.arrivals.hear = None
            if message.type in _ENDS:
                raise StopAsyncIteration
            try:
                if message.type is not WSMsgType.BINARY:
                    return self._read(message)
                self._hear_frame(message.data)
            except ParleyError as error:
                return error

    def _hear_frame(self, frame: bytes) -> None:
        if len(frame) > MAX_PCM_BYTES + MAX_OPUS_BYTES:
            raise TooLarge(f"a binary frame of {len(frame)} bytes: at most {MAX_PCM_BYTES} are taken", field="frame")
        self._hear(unpack_mic(frame, self.encoding))

    @staticmethod
    def _read(message: WSMessage) -> Request:
        if message.type is WSMsgType.TEXT:
            size = len(message.data.encode())
            if size > MAX_TEXT_BYTES:
                raise TooLarge(f"a text frame of {size} bytes: at most {MAX_TEXT_BYTES} are taken", field="frame")
            return request_from_json(message.data)
        if message.type is WSMsgType.ERROR and not isinstance(message.data, _PEERS_ERRORS):
            # What hearing a packet has raised.
            raise message.data
        raise InvalidInput(f"a frame of type {message.type.name} is not understood", field="frame")

    async def send(self, event: Event) -> None:
        """Send a text frame; a listener who has left is noticed by `received`."""
        if not self._socket.closed:
            try:
                await self._socket.send_str(event_to_json(event))
            except ConnectionError:
                return

    async def send_audio(self, packets: list[AudioPacket]) -> None:
        """Send binary frames."""
        if self._socket.closed:
            return
        try:
            for packet in packets:
                await self._socket.send_bytes(pack_reply(packet, self.reply_encoding))
        except ConnectionError:
            return


def new_socket() -> PacketSocket:
    """A socket with our limits: no compression (Opus has none to give), pings that find dead peers."""
    return PacketSocket(
        compress=False, max_msg_size=_HARD_LIMIT_BYTES, heartbeat=20.0, timeout=2.0, protocols=("parley.v1",)
    )


def _unheard(packet: AudioPacket) -> None:
    """Nobody listens yet."""
    del packet
