"""A gateway whose event loop is really held up: it refuses, and takes people again when it keeps up."""

from __future__ import annotations

import asyncio
import signal
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import aiohttp

from edge_gateway.capacity.control import ALWAYS_TAKEN
from tests.end_to_end.gateway_alone import gateway_process
from tests.programs import eventually, pass_by

if TYPE_CHECKING:
    from tests.end_to_end.gateway_alone import GatewayProcess

# Longer than a rush of newcomers may hold a loop up.
_STOPPED_SECONDS = 2.5
_ASKS = (
    b"GET /v1/conversation HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


async def answer_after_a_stop(gateway: GatewayProcess) -> bytes:
    """What a newcomer is told who asks while the process stands still."""
    gateway.process.send_signal(signal.SIGSTOP)
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.http_port)
        writer.write(_ASKS)
        await writer.drain()
        await pass_by(_STOPPED_SECONDS)
    finally:
        gateway.process.send_signal(signal.SIGCONT)
    told = await reader.readuntil(b"busy")
    writer.close()
    return told


async def test_a_loop_that_was_held_up_refuses_newcomers_until_it_keeps_up_again() -> None:
    async with (
        gateway_process(PARLEY_MAX_SESSIONS="auto") as gateway,
        aiohttp.ClientSession() as http,
        AsyncExitStack() as stack,
        asyncio.timeout(240),
    ):

        async def comes_in() -> aiohttp.ClientWebSocketResponse | None:
            socket = await http.ws_connect(f"{gateway.url}/v1/conversation")
            await socket.send_str('{"config":{}}')
            message = await socket.receive()
            if message.type is aiohttp.WSMsgType.TEXT and "all that it can carry" not in message.data:
                return await stack.enter_async_context(socket)
            await socket.close()
            return None

        for _ in range(ALWAYS_TAKEN):
            await eventually(comes_in, "one of the first sessions")
        assert b"all that it can carry" in await answer_after_a_stop(gateway)
        await eventually(comes_in, "a session after the stop")
