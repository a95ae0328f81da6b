"""A conversation over the gateway's WebSocket, as the browser has it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp

from parley.conversation import (
    AudioPacket,
    Encoding,
    ErrorEvent,
    Event,
    Request,
    event_from_json,
    pack_mic,
    request_to_json,
    unpack_reply,
)
from parley.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Conversation:
    """One open WebSocket."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Speak over a socket that is open."""
        self._socket = socket

    async def send(self, request: Request) -> None:
        """Send a request; a packet goes as a binary frame, all else as text."""
        if isinstance(request, AudioPacket):
            await self._socket.send_bytes(pack_mic(request, Encoding.OPUS))
        else:
            await self._socket.send_str(request_to_json(request))

    async def events(self) -> AsyncIterator[Event]:
        """Events and packets of replies, until the gateway closes.

        Raises:
            Unavailable: the gateway ended the session, and why.
        """
        async for message in self._socket:
            if message.type is aiohttp.WSMsgType.BINARY:
                packet, _ = unpack_reply(message.data)
                yield packet
            elif message.type is aiohttp.WSMsgType.TEXT:
                event = event_from_json(message.data)
                if isinstance(event, ErrorEvent) and event.ends_session:
                    raise Unavailable(event.message, retry_after_ms=event.retry_after_ms)
                if event is not None:
                    yield event
        raise Unavailable(f"the gateway closed the connection ({self._socket.close_code})")


@asynccontextmanager
async def converse(url: str) -> AsyncIterator[Conversation]:
    """Open a conversation with the gateway whose page is at `url`.

    Raises:
        Unavailable: nothing answers there; the message says how to start it.
    """
    address = url.rstrip("/") + "/v1/conversation"
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=5.0)
    async with aiohttp.ClientSession(timeout=timeout) as http:
        try:
            socket = await http.ws_connect(address, protocols=("parley.v1",), compress=0, max_msg_size=1024 * 1024)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise Unavailable(f"no gateway at {url} ({error}): start one with `make run` or `parley up`") from error
        try:
            yield Conversation(socket)
        finally:
            await socket.close()
