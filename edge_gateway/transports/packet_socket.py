"""A WebSocket whose sound is heard where it arrives, and not by the task that reads the rest.

A task that is woken for a packet costs as much as all that is done with the packet. So each goes to whoever hears it
out of the callback that brings its bytes, unless something waits before it. Knows nothing of what frames mean.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from aiohttp import WSMsgType, web
from aiohttp._websocket.reader import WebSocketDataQueue
from aiohttp.http import WebSocketReader, WSMessage

from parley.errors import ParleyError

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp.http import WebSocketWriter
    from aiohttp.http_websocket import WSMessageTextBytes

_QUEUE_BYTES: Final = 64 * 1024
"""From twice as much on, nothing more is read from a socket whose messages nobody takes."""


class Arrivals(WebSocketDataQueue):
    """What has come over one socket and waits to be read."""

    hear: Callable[[bytes], None] | None = None
    """Takes binary frames; None: they wait, since whoever reads is not done with what came before them."""

    def feed_data(self, data: WSMessage | WSMessageTextBytes, size: int) -> None:
        """Take a message from the parser; what `hear` raises is read as a message of type ERROR in its place."""
        if self.hear is not None and data.type is WSMsgType.BINARY and not self._buffer:
            try:
                self.hear(data.data)
            except ParleyError as error:
                super().feed_data(WSMessage(WSMsgType.ERROR, error, None), size)
        else:
            super().feed_data(data, size)


class PacketSocket(web.WebSocketResponse):
    """A WebSocket on the server's side."""

    arrivals: Arrivals

    def _post_start(self, request: web.BaseRequest, protocol: str | None, writer: WebSocketWriter) -> None:
        """Read into `arrivals`, as the parent reads into its own queue."""
        self._ws_protocol, self._writer = protocol, writer
        self._reset_heartbeat()
        self._reader = self.arrivals = Arrivals(request.protocol, _QUEUE_BYTES, loop=asyncio.get_running_loop())
        self._parser = WebSocketReader(self.arrivals, self._max_msg_size, compress=False, decode_text=True)
        request.protocol.set_parser(self._parser, data_received_cb=self._on_data_received)
        request.protocol.keep_alive(val=False)

    def _on_data_received(self) -> None:
        """Something has come: the peer is there.

        The parent puts its next ping off by that, which takes a turn of the loop a packet. So it goes out every time,
        and what comes after it ends the wait for its answer.
        """
        if self._pong_response_cb is not None:
            super()._on_data_received()
