"""A gateway that says what a test tells it to: the real page and a real WebSocket, and no servers behind them."""

from __future__ import annotations

import asyncio
import io
import math
import struct
import time
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from aiohttp import WSMsgType, web

from parley.audio import write_wav
from parley.conversation import (
    AudioFormat,
    AudioPacket,
    Encoding,
    Event,
    Ping,
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

VOICES: Final = (
    {"name": "en-us", "language": "en-us", "description": "English (America)", "gender": ""},
    {"name": "de", "language": "de", "description": "German", "gender": ""},
)

_WEB: Final = Path(__file__).resolve().parents[2] / "edge_gateway" / "web"
_WAIT_SECONDS: Final = 15
_PING_SECONDS: Final = 5
_PACKET_SAMPLES: Final = REPLY_RATE_HZ // 50
_TONE_HZ: Final = 220


@dataclass(frozen=True, slots=True)
class Listener:
    """One session of the page, as its gateway sees it."""

    socket: web.WebSocketResponse
    requests: asyncio.Queue[Request] = field(default_factory=asyncio.Queue)

    async def listen(self) -> None:
        """Take what the page says until it goes; a page that hears nothing for long takes its gateway for gone."""
        clock, pinged = asyncio.get_running_loop().time, 0.0
        while not self.socket.closed:
            if clock() - pinged > _PING_SECONDS:
                await self.send(Ping(1, time.time_ns() // 1000))
                pinged = clock()
            with suppress(TimeoutError):
                message = await self.socket.receive(timeout=_PING_SECONDS)
                if message.type is WSMsgType.TEXT:
                    self.requests.put_nowait(request_from_json(message.data))

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


@dataclass(slots=True)
class PageFacts:
    """What the page is told when it asks what there is."""

    away: set[str] = field(default_factory=set)
    """Hops of the engines that are away."""
    languages: tuple[str, ...] = ("en",)
    """What the recogniser understands."""
    instructions: bool = True
    """The model listens to instructions."""
    found_at: str = ""
    """Where the model was found, if nobody has named it."""
    backup_reason: str = ""
    """Why something else answers in the model's place."""
    asked: int = 0
    """How often the page has asked."""

    def as_json(self) -> dict[str, object]:
        """The answer."""
        self.asked += 1
        asr, llm, tts = (
            {"name": "" if hop in self.away else name, "works": hop not in self.away}
            for hop, name in zip(("asr", "llm", "tts"), ENGINES, strict=True)
        )
        asr |= {"languages": [] if "asr" in self.away else self.languages}
        llm |= {
            "instructions": self.instructions,
            "found_at": self.found_at,
            "backup_reason": self.backup_reason,
        }
        voices = [] if "tts" in self.away else VOICES
        return {"voices": voices, "trace_url": "", "engines": {"asr": asr, "llm": llm, "tts": tts}}


@dataclass(frozen=True, slots=True)
class ScriptedGateway:
    """Where the page is, what it is told, and the sessions that it has begun."""

    url: str
    arrivals: asyncio.Queue[Listener]
    facts: PageFacts
    previews: list[dict[str, str]]
    """The voices that were asked for a few words."""

    async def session(self) -> Listener:
        """The next session, not yet taken."""
        async with asyncio.timeout(_WAIT_SECONDS):
            return await self.arrivals.get()


@dataclass(frozen=True, slots=True)
class _Site:
    """What the page asks for."""

    arrivals: asyncio.Queue[Listener] = field(default_factory=asyncio.Queue)
    facts: PageFacts = field(default_factory=PageFacts)
    previews: list[dict[str, str]] = field(default_factory=list)

    async def page(self, _request: web.Request) -> web.FileResponse:
        return web.FileResponse(_WEB / "index.html")

    async def told(self, _request: web.Request) -> web.Response:
        return web.json_response(self.facts.as_json())

    async def preview(self, request: web.Request) -> web.Response:
        """A second of silence."""
        self.previews.append(dict(request.query))
        if "tts" in self.facts.away:
            return web.Response(status=503)
        sound = io.BytesIO()
        write_wav(sound, bytes(2 * REPLY_RATE_HZ), REPLY_RATE_HZ)
        return web.Response(body=sound.getvalue(), content_type="audio/wav")

    async def conversation(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=("parley.v1",))
        await socket.prepare(request)
        listener = Listener(socket)
        self.arrivals.put_nowait(listener)
        await listener.listen()
        return socket

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/", self.page)
        app.router.add_get("/v1/page", self.told)
        app.router.add_get("/v1/voice-preview", self.preview)
        app.router.add_get("/v1/conversation", self.conversation)
        app.router.add_static("/web", _WEB)
        return app


@asynccontextmanager
async def scripted_gateway(prefix: str = "") -> AsyncIterator[ScriptedGateway]:
    """Serve the page and its WebSocket on a port of their own, below the path `prefix` alone."""
    site = _Site()
    root = site.app()
    if prefix:
        root = web.Application()
        root.add_subapp(prefix, site.app())
    runner = web.AppRunner(root, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}{prefix}"
        yield ScriptedGateway(url, site.arrivals, site.facts, site.previews)
    finally:
        await runner.cleanup()
