"""A gateway that does what a test says, behind either transport."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import grpc.aio
from aiohttp import WSMsgType, web

from parley.conversation import (
    AudioPacket,
    Conversation,
    ConversationClient,
    Encoding,
    Event,
    Request,
    SessionConfig,
    event_to_json,
    event_to_proto,
    pack_reply,
    request_from_json,
    request_from_proto,
    unpack_mic,
)
from parley.v1 import conversation_pb2, conversation_pb2_grpc
from parley_cli.client import converse

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Mapping

    from aiohttp.typedefs import Handler

    Send = Callable[[Event | str], Awaitable[None]]
    Script = Callable[[AsyncIterator[Request], Send], Awaitable[None]]
    Context = grpc.aio.ServicerContext[conversation_pb2.ConverseRequest, conversation_pb2.ConverseResponse]


async def _received(socket: web.WebSocketResponse) -> AsyncIterator[Request]:
    encoding = Encoding.OPUS
    async for message in socket:
        if message.type is WSMsgType.BINARY:
            yield unpack_mic(message.data, encoding)
            continue
        request = request_from_json(message.data)
        if isinstance(request, SessionConfig) and request.input:
            encoding = request.input.encoding
        yield request


@asynccontextmanager
async def page(script: Script) -> AsyncIterator[str]:
    """Address of a page whose WebSocket does what `script` says."""

    async def handle(http_request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=("parley.v1",))
        await socket.prepare(http_request)

        async def send(event: Event | str) -> None:
            if isinstance(event, AudioPacket):
                await socket.send_bytes(pack_reply(event, Encoding.OPUS))
            else:
                await socket.send_str(event if isinstance(event, str) else event_to_json(event))

        await script(_received(socket), send)
        await socket.close()
        return socket

    async with served({"/v1/conversation": handle}) as address:
        yield address


@asynccontextmanager
async def served(routes: Mapping[str, Handler]) -> AsyncIterator[str]:
    """Address of a server with these paths."""
    app = web.Application()
    for path, handler in routes.items():
        app.router.add_get(path, handler)
    runner = web.AppRunner(app, shutdown_timeout=0.2)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def over_websocket(script: Script) -> AsyncIterator[Conversation]:
    async with page(script) as url, converse(url) as conversation:
        yield conversation


class _Servicer(conversation_pb2_grpc.ConversationServiceServicer):
    def __init__(self, script: Script) -> None:
        self._script = script

    async def Converse(  # type: ignore[override]  # noqa: N802 - grpc.aio also takes a coroutine that writes
        self, request_iterator: AsyncIterable[conversation_pb2.ConverseRequest], context: Context
    ) -> None:
        async def requests() -> AsyncIterator[Request]:
            async for message in request_iterator:
                yield request_from_proto(message)

        async def send(event: Event | str) -> None:
            assert not isinstance(event, str)
            await context.write(event_to_proto(event))

        await self._script(requests(), send)


@asynccontextmanager
async def over_grpc(script: Script) -> AsyncIterator[Conversation]:
    server = grpc.aio.server()
    conversation_pb2_grpc.add_ConversationServiceServicer_to_server(_Servicer(script), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with ConversationClient(f"127.0.0.1:{port}") as client, client.open() as conversation:
            yield conversation
    finally:
        await server.stop(None)
