"""A gateway with three scripted servers behind it, all on real ports, and a listener who speaks Opus to it."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np
from aiohttp import web
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry

from asr_server.engines.scripted import ScriptedEngine as ScriptedAsr
from asr_server.scheduler import Scheduler
from asr_server.service import AsrServicer
from asr_server.transcriber import Models
from edge_gateway.admission import Admission
from edge_gateway.audio.codecs import Codecs
from edge_gateway.audio.libopus import Libopus, find_libopus
from edge_gateway.backends import Backends
from edge_gateway.config import STATUS_LOOPBACK
from edge_gateway.directory import Directory
from edge_gateway.latency.turn_metrics import TurnMetrics
from edge_gateway.reply.reply import Servers
from edge_gateway.servers.connect import Addresses, open_pools
from edge_gateway.servers.metrics import ServerMetrics
from edge_gateway.servers.resolver import resolve
from edge_gateway.status.routes import Sources, add_status
from edge_gateway.status.server_facts import ServerFacts, servers_of
from edge_gateway.status.turn_log import TurnLog
from edge_gateway.transports.access import Access
from edge_gateway.transports.http_log import http_log
from edge_gateway.transports.page_facts import add_facts
from edge_gateway.transports.status_access import StatusAccess
from edge_gateway.transports.voice_preview import add_voice_preview
from edge_gateway.transports.web_app import new_app
from llm_server.builtin_tools import builtin_tools
from llm_server.engine import Delta, Finish, StopReason, ToolCall
from llm_server.engines.pieces import pieces
from llm_server.engines.scripted import ScriptedEngine as ScriptedLlm
from llm_server.service import LlmServicer
from parley import asr, llm, tts
from parley._binding import joined
from parley.conversation import (
    AudioPacket,
    Event,
    Ping,
    Played,
    Pong,
    Request,
    SessionConfig,
    SessionReady,
)
from parley.v1.asr_pb2_grpc import add_AsrServiceServicer_to_server
from parley.v1.llm_pb2_grpc import add_LlmServiceServicer_to_server
from parley.v1.tts_pb2_grpc import add_TtsServiceServicer_to_server
from parley_cli.client import PACKET_SAMPLES, PacketEncoder, WebSocket, open_websocket
from serving.grpc_server import Listen, started
from serving.status import EngineFacts, StatusServicer
from serving.telemetry import Telemetry, new_provider
from serving.threads import Worker
from tts_server.engines.scripted import ScriptedEngine as ScriptedTts
from tts_server.service import TtsServicer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence

    import aiohttp
    import grpc.aio
    from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor

    from edge_gateway.servers.connect import Pools
    from edge_gateway.servers.resolver import Resolve
    from llm_server.engine import Conversation, ReplyEvent
    from llm_server.engine import Engine as LlmEngine

E = TypeVar("E")
PATIENCE_SECONDS = 10
TONE = (np.sin(np.arange(PACKET_SAMPLES) * 2 * np.pi * 200 / 48_000) * 12_000).astype("<i2").tobytes()
SILENCE = bytes(2 * PACKET_SAMPLES)


class Writer(ScriptedLlm):
    """A scripted LLM that keeps what it was asked."""

    def __init__(self, text: str, delay_seconds: float = 0.0) -> None:
        super().__init__(text, delay_seconds, 0.0)
        self.asked: list[Conversation] = []

    def say(self, text: str, delay_seconds: float = 0.0) -> None:
        """Write this from now on."""
        self._pieces, self._delay_seconds = pieces(text), delay_seconds

    async def reply(self, conversation: Conversation) -> AsyncGenerator[ReplyEvent, None]:
        self.asked.append(conversation)
        async for event in super().reply(conversation):
            yield event


class Caller(Writer):
    """An LLM that writes what it is told, round by round, and may want functions called."""

    calls_tools = True

    def __init__(self, *rounds: tuple[Delta | ToolCall, ...]) -> None:
        super().__init__("")
        self.rounds = list(rounds)

    async def reply(self, conversation: Conversation) -> AsyncGenerator[Delta | ToolCall | Finish, None]:
        self.asked.append(conversation)
        events = self.rounds.pop(0) if len(self.rounds) > 1 else self.rounds[0]
        for event in events:
            yield event
        calls = any(isinstance(event, ToolCall) for event in events)
        yield Finish(StopReason.TOOL_CALLS if calls else StopReason.STOP, model="small@here")


@dataclass(slots=True)
class Recorded:
    """What the servers and the gateway record, by the name of each."""

    spans: dict[str, InMemorySpanExporter] = field(default_factory=dict)
    registries: dict[str, CollectorRegistry] = field(default_factory=dict)
    processors: list[SpanProcessor] = field(default_factory=list)
    """What else is to have the spans."""

    def telemetry(self, service: str) -> Telemetry:
        """Telemetry of a service that keeps what it records here."""
        provider, spans = new_provider(service), self.spans.setdefault(service, InMemorySpanExporter())
        for processor in (SimpleSpanProcessor(spans), *self.processors):
            provider.add_span_processor(processor)
        registry = self.registries[service] = CollectorRegistry()
        return Telemetry(provider, registry)

    @property
    def all_spans(self) -> list[ReadableSpan]:
        """Those of all services; to be read when they have ended."""
        return [span for each in self.spans.values() for span in each.get_finished_spans()]


class Forgetful(InMemorySpanExporter):
    """Keeps no span, for tests that look at what a server keeps."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return SpanExportResult.SUCCESS


def forgetful() -> Recorded:
    """What keeps nothing of what servers and gateway record."""
    return Recorded({service: Forgetful() for service in ("asr", "llm", "tts", "gateway")})


@dataclass(slots=True)
class Script:
    """What the servers behind the gateway do."""

    heard: tuple[str, ...] = ("what time is it",)
    hearing_delay_seconds: float = 0.0
    hearing: ScriptedAsr | None = None
    """Hears in place of the two above."""
    writer: Writer = field(default_factory=lambda: Writer("It is late. Good night."))
    model: LlmEngine | None = None
    """Writes in place of the one above."""
    tools: str = ""
    """Functions of the LLM server's own that its model may call."""
    speaking: ScriptedTts | None = None
    """Speaks, in place of one with the times below."""
    # Of the LLM server while it waits for its model; one that hangs gives none.
    progress_seconds: float = 0.5
    character_seconds: float = 0.02
    sound_delay_seconds: float = 0.0
    max_sessions: int | None = 10
    """None: as many as the loop bears, which a test tells `Gateway.admission` itself."""
    session_cost: float = 0.0
    """What a session is thought to take of a core before one has come; 0: nothing, so that any number comes in."""
    allowed_hosts: str = ""
    trace_url: str = ""
    status: str = STATUS_LOOPBACK
    """Who may see how the gateway is doing."""
    status_seconds: float = PATIENCE_SECONDS
    """How long a server is waited for that is to tell of itself."""
    host: str = "127.0.0.1"
    """Where each server listens."""
    drain_seconds: float = 0.0
    """How long a server's calls may go on when it is told to stop."""
    asr_port: int = 0
    llm_port: int = 0
    tts_port: int = 0
    recorded: Recorded = field(default_factory=Recorded)
    resolve: Resolve = resolve
    """Stands for DNS."""


@dataclass(slots=True)
class Gateway:
    """A running gateway."""

    url: str
    telemetry: Telemetry
    spans: InMemorySpanExporter
    """What it has recorded of its turns."""
    script: Script
    admission: Admission
    pools: Pools


async def serve(
    stack: AsyncExitStack,
    service: str,
    register: Callable[[grpc.aio.Server], None],
    listen: Listen | None = None,
    status: StatusServicer | None = None,
) -> str:
    listen = listen or listen_as(Script())
    bound, ready = await stack.enter_async_context(started(service, register, listen, status))
    await ready()
    return joined(listen.host, bound)


def listen_as(script: Script, port: int = 0) -> Listen:
    return Listen(script.host, port, "PORT", 0, script.drain_seconds, 512 * 1024)


async def serve_asr(
    stack: AsyncExitStack, script: Script, port: int = 0, make_servicer: type[AsrServicer] = AsrServicer
) -> str:
    worker = Worker("asr")
    stack.callback(worker.close)
    telemetry = script.recorded.telemetry("asr")
    engine = script.hearing or ScriptedAsr(script.heard, script.hearing_delay_seconds)
    servicer = make_servicer(Models(engine, Scheduler(worker)), telemetry, 500)
    facts = EngineFacts(engine.name, engine.model, turn_detection="words")
    status = StatusServicer("asr", telemetry.registry, lambda: facts, "parley_asr_streams_active")

    def register(server: grpc.aio.Server) -> None:
        add_AsrServiceServicer_to_server(servicer, server)

    return await serve(stack, asr.SERVICE, register, listen_as(script, port), status)


async def serve_llm(stack: AsyncExitStack, script: Script, port: int = 0) -> str:
    telemetry = script.recorded.telemetry("llm")
    model, tools = script.model or script.writer, builtin_tools(script.tools)
    servicer = LlmServicer(model, telemetry, 100, tools, progress_seconds=script.progress_seconds)
    status = StatusServicer("llm", telemetry.registry, servicer.facts, "parley_llm_calls_active")

    def register(server: grpc.aio.Server) -> None:
        add_LlmServiceServicer_to_server(servicer, server)

    return await serve(stack, llm.SERVICE, register, listen_as(script, port), status)


async def serve_tts(stack: AsyncExitStack, script: Script, port: int = 0) -> str:
    worker = Worker("tts")
    stack.callback(worker.close)
    telemetry = script.recorded.telemetry("tts")
    engine = script.speaking or ScriptedTts(script.sound_delay_seconds, script.character_seconds)
    servicer = TtsServicer(engine, worker, telemetry, 100)
    await servicer.load("")
    status = StatusServicer("tts", telemetry.registry, servicer.facts, "parley_tts_calls_active")

    def register(server: grpc.aio.Server) -> None:
        add_TtsServiceServicer_to_server(servicer, server)

    return await serve(stack, tts.SERVICE, register, listen_as(script, port), status)


@asynccontextmanager
async def gateway(script: Script, addresses: tuple[str, str, str]) -> AsyncIterator[Gateway]:
    """A gateway in front of an ASR, an LLM and a TTS server."""
    telemetry = script.recorded.telemetry("gateway")
    spans = script.recorded.spans["gateway"]
    chance = random.Random(0)  # noqa: S311 - a test is to be the same each time
    async with open_pools(Addresses(*addresses), resolve=script.resolve, chance=chance) as pools:
        ServerMetrics(pools, telemetry.registry)
        facts = ServerFacts(lambda: servers_of(pools), script.status_seconds)
        log = TurnLog()
        metrics = TurnMetrics(telemetry, log)
        listening, servers = pools.listens, Servers(pools.writes, pools.speaks)
        codecs = Codecs(Libopus(find_libopus()))
        backends = Backends(
            listening, servers, Directory(listening, servers), codecs, metrics, "Be brief.", 400, "One moment."
        )
        admission = Admission(backends, script.max_sessions, script.session_cost)
        access = Access("127.0.0.1", script.allowed_hosts, "https://friend.example")
        app, status = new_app(admission, telemetry.registry, access), StatusAccess(script.status)
        add_facts(app, backends.directory, script.trace_url, status)
        add_status(app, Sources(admission, facts, log), status)
        add_voice_preview(app, pools.speaks)
        runner = web.AppRunner(app, logger=http_log(), shutdown_timeout=0.2)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            host, port = runner.addresses[0][:2]
            yield Gateway(f"http://{host}:{port}", telemetry, spans, script, admission, pools)
        finally:
            await runner.cleanup()


@asynccontextmanager
async def house(script: Script | None = None) -> AsyncIterator[Gateway]:
    """A gateway with all three servers behind it."""
    script = script or Script()
    async with AsyncExitStack() as stack:
        addresses = (await serve_asr(stack, script), await serve_llm(stack, script), await serve_tts(stack, script))
        yield await stack.enter_async_context(gateway(script, addresses))


class Link(Protocol):
    """What carries a conversation: a `WebSocket`, or a `parley.Conversation`."""

    async def send(self, request: Request) -> None: ...

    async def __anext__(self) -> Event: ...


def unix_us() -> int:
    return round(time.time() * 1e6)


class Listener:
    """A client that plays what it gets at once, and says so."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.events: list[Event] = []
        self.packets: list[AudioPacket] = []
        self.clock_us = unix_us
        """Its own clock."""
        self.answers_pings = True
        self._encoder = PacketEncoder()
        self._sequence = 0

    @property
    def socket(self) -> aiohttp.ClientWebSocketResponse:
        """The socket itself, for frames that no client should send."""
        assert isinstance(self.link, WebSocket)
        return self.link.socket

    async def send(self, request: Request) -> None:
        await self.link.send(request)

    @property
    def sent_samples(self) -> int:
        """Where the next packet lies on the session's audio clock, 16 kHz."""
        return self._sequence * PACKET_SAMPLES // 3

    def lose(self, packets: int) -> None:
        """Let the next packets not arrive."""
        self._sequence += packets

    async def speak(self, seconds: float, sound: bytes = TONE) -> None:
        """Send sound faster than time would."""
        for _ in range(round(seconds / 0.02)):
            await self.send(AudioPacket(self._encoder.encode(sound), self._sequence, self.clock_us()))
            self._sequence += 1

    async def say_something(self) -> None:
        """One turn: speech, and the silence that ends it."""
        await self.speak(0.2, SILENCE)
        await self.speak(0.8)
        # Longer than is waited for a speaker who has gone on after a pause as long as that.
        await self.speak(1.4, SILENCE)

    async def next(self) -> Event:
        try:
            event = await anext(self.link)
        except StopAsyncIteration as error:
            raise EOFError("the gateway has ended the conversation") from error
        if isinstance(event, AudioPacket):
            self.packets.append(event)
        else:
            self.events.append(event)
        if isinstance(event, Ping) and self.answers_pings:
            await self.send(Pong(event.id, self.clock_us(), self.clock_us()))
        return event

    async def until(self, kind: type[E], where: Callable[[E], bool] = lambda _: True) -> E:
        """The next event of a kind."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                event = await self.next()
                if isinstance(event, kind) and where(event):
                    return event

    async def played(self, reply: int, samples: int, *, final: bool = False) -> None:
        await self.send(Played(reply, samples, self.clock_us(), final=final))


@asynccontextmanager
async def listening(gateway: Gateway, config: SessionConfig | None = None) -> AsyncIterator[Listener]:
    """A listener whose session is ready."""
    async with connected(gateway) as listener:
        await listener.send(config or SessionConfig())
        await listener.until(SessionReady)
        yield listener


@asynccontextmanager
async def connected(gateway: Gateway) -> AsyncIterator[Listener]:
    """A listener who has said nothing yet."""
    async with open_websocket(gateway.url) as socket:
        yield Listener(socket)
