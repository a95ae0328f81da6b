"""The browser's WebSocket: text frames are JSON events, binary frames are packets. Knows nothing of turns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Self

from aiohttp import WSMsgType, web

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
    from collections.abc import AsyncIterator

_HARD_LIMIT_BYTES: Final = 1024 * 1024
"""Above this the connection is closed (1009); between this and our own limits the frame gets an error event."""

_ENDS: Final = frozenset({WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED})


class WebSocketConnection:
    """A listener behind a WebSocket."""

    def __init__(self, socket: web.WebSocketResponse, caller: str = "", address: str = "") -> None:
        """Speak over a socket that is open, that the span of the traceparent `caller` has opened, from `address`."""
        self._socket = socket
        self.caller = caller
        self.address = address
        self.encoding = Encoding.OPUS
        self.reply_encoding = Encoding.OPUS
        self.half_closed = False
        """A WebSocket closes as a whole."""

    def received(self) -> AsyncIterator[Request | ParleyError]:
        """Requests and packets until the socket closes; what cannot be read comes as its error."""
        return self

    def __aiter__(self) -> Self:
        """No generator: fifty times a second for each session it would be resumed inside those that wait for it."""
        return self

    async def __anext__(self) -> Request | ParleyError:
        """The next one; what is here already comes without a turn of the loop."""
        message = await self._socket.receive()
        if message.type in _ENDS:
            raise StopAsyncIteration
        try:
            return self._read(message.type, message.data)
        except ParleyError as error:
            return error

    def _read(self, kind: WSMsgType, data: str | bytes) -> Request:
        if kind is WSMsgType.BINARY and isinstance(data, bytes):
            if len(data) > MAX_PCM_BYTES + MAX_OPUS_BYTES:
                raise TooLarge(f"a binary frame of {len(data)} bytes: at most {MAX_PCM_BYTES} are taken", field="frame")
            return unpack_mic(data, self.encoding)
        if kind is WSMsgType.TEXT and isinstance(data, str):
            size = len(data.encode())
            if size > MAX_TEXT_BYTES:
                raise TooLarge(f"a text frame of {size} bytes: at most {MAX_TEXT_BYTES} are taken", field="frame")
            return request_from_json(data)
        raise InvalidInput(f"a frame of type {kind.name} is not understood", field="frame")

    async def send(self, event: Event) -> None:
        """Send a text frame; a listener who has left is noticed by `received`."""
        if not self._socket.closed:
            try:
                await self._socket.send_str(event_to_json(event))
            except ConnectionError:
                return

    async def send_audio(self, packets: list[AudioPacket]) -> None:
        """Send binary frames."""
        for packet in packets:
            if self._socket.closed:
                return
            try:
                await self._socket.send_bytes(pack_reply(packet, self.reply_encoding))
            except ConnectionError:
                return


def new_socket() -> web.WebSocketResponse:
    """A socket with our limits: no compression (Opus has none to give), pings that find dead peers."""
    return web.WebSocketResponse(
        compress=False, max_msg_size=_HARD_LIMIT_BYTES, heartbeat=20.0, timeout=2.0, protocols=("parley.v1",)
    )
