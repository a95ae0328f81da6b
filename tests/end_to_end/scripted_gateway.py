"""A gateway that says what a test tells it to: the real page and a real WebSocket, and no servers behind them."""

from __future__ import annotations

import asyncio
import math
import struct
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from aiohttp import WSMsgType, web

from parley.conversation import (
    AudioFormat,
    AudioPacket,
    Encoding,
    Event,
    Request,
    SessionConfig,
    SessionReady,
    event_to_json,
    pack_reply,
    request_from_json,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

R = TypeVar("R", bound=Request)

REPLY_RATE_HZ: Final = 24_000
ENGINES: Final = ("moonshine tiny-en", "openai llama3.2", "espeak-ng")

_WEB: Final = Path(__file__).resolve().parents[2] / "edge_gateway" / "web"
_WAIT_SECONDS: Final = 15
_PACKET_SAMPLES: Final = REPLY_RATE_HZ // 50
_TONE_HZ: Final = 220


@dataclass(frozen=True, slots=True)
class Listener:
    """One session of the page, as its gateway sees it."""

    socket: web.WebSocketResponse
    requests: asyncio.Queue[Request] = field(default_factory=asyncio.Queue)

    async def expect(self, kind: type[R]) -> R:
        """The next request of a kind; those before it are left out."""
        async with asyncio.timeout(_WAIT_SECONDS):
            while not isinstance(request := await self.requests.get(), kind):
                pass
        return request

    async def send(self, *events: Event) -> None:
        """Say something to the page."""
        for event in events:
            await self.socket.send_str(event_to_json(event))

    async def ready(self, *engines: str) -> None:
        """Take the session."""
        config = await self.expect(SessionConfig)
        formats = config.input or AudioFormat(), config.output or AudioFormat()
        await self.send(SessionReady("s1", *formats, "en-us", "en", 400, 1500, 65536, engines=engines or ENGINES))

    async def play(self, reply: int, seconds: float) -> None:
        """Send a tone as the sound of a reply, in PCM, all at once."""
        for sequence in range(round(50 * seconds)):
            first = sequence * _PACKET_SAMPLES
            places = range(first, first + _PACKET_SAMPLES)
            tone = [round(8_000 * math.sin(2 * math.pi * _TONE_HZ * place / REPLY_RATE_HZ)) for place in places]
            packet = AudioPacket(struct.pack(f"<{len(tone)}h", *tone), sequence, reply=reply, first_sample=first)
            await self.socket.send_bytes(pack_reply(packet, Encoding.PCM_S16LE))


@dataclass(frozen=True, slots=True)
class ScriptedGateway:
    """Where the page is, and the sessions that it has begun."""

    url: str
    arrivals: asyncio.Queue[Listener]

    async def session(self) -> Listener:
        """The next session, not yet taken."""
        async with asyncio.timeout(_WAIT_SECONDS):
            return await self.arrivals.get()


@asynccontextmanager
async def scripted_gateway(prefix: str = "") -> AsyncIterator[ScriptedGateway]:
    """Serve the page and its WebSocket on a port of their own, below the path `prefix` alone."""
    arrivals: asyncio.Queue[Listener] = asyncio.Queue()

    async def page(_request: web.Request) -> web.FileResponse:
        return web.FileResponse(_WEB / "index.html")

    async def facts(_request: web.Request) -> web.Response:
        return web.json_response({"voices": [], "voices_problem": "", "trace_url": ""})

    async def conversation(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=("parley.v1",))
        await socket.prepare(request)
        listener = Listener(socket)
        arrivals.put_nowait(listener)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                listener.requests.put_nowait(request_from_json(message.data))
        return socket

    app = web.Application()
    app.router.add_get("/", page)
    app.router.add_get("/v1/page", facts)
    app.router.add_get("/v1/conversation", conversation)
    app.router.add_static("/web", _WEB)
    root = web.Application() if prefix else app
    if prefix:
        root.add_subapp(prefix, app)
    runner = web.AppRunner(root, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield ScriptedGateway(f"http://127.0.0.1:{runner.addresses[0][1]}{prefix}", arrivals)
    finally:
        await runner.cleanup()
