"""What a session meets at its edges, as coroutines in memory, so that tests own their time.

The servers are scripted: a script takes what a call is sent from a queue and yields what the server says. The calls end
as those of `parley._duplex` do, and the listener takes everything and keeps it, with the time at which it came.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, Generic, Self, TypeVar

from parley import asr, llm, tts
from parley._duplex import first_of
from parley.conversation import AudioPacket, Encoding, Event, Request
from parley.errors import ParleyError
from tests.virtual_time import now, passed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable

    from edge_gateway.servers.placement import Placement

    LlmScript = Callable[[asyncio.Queue[llm.ToolResult]], AsyncGenerator[llm.Event, None]]
    TtsScript = Callable[[asyncio.Queue[tts.Request | None]], AsyncGenerator[tts.Event, None]]

T = TypeVar("T")
E = TypeVar("E")

RATE_HZ: Final = 24_000
CHARACTER_SAMPLES: Final = 960
"""A character sounds for 40 ms, which is two packets."""


class Connection:
    """A listener who takes everything at once."""

    def __init__(self) -> None:
        self.encoding = self.reply_encoding = Encoding.OPUS
        self.half_closed = False
        self.address = ""
        self.caller = ""
        self.events: list[Event] = []
        self.packets: list[AudioPacket] = []
        self.came_at: list[float] = []
        """When each event came; of packets, see `packets_at`."""
        self.packets_at: list[float] = []
        self.send_seconds = 0.0
        """How long an event takes to be taken."""

    async def received(self, hear: Callable[[AudioPacket], None]) -> AsyncIterator[Request | ParleyError]:
        del hear
        says_nothing: tuple[Request, ...] = ()
        for request in says_nothing:
            yield request

    async def send(self, event: Event) -> None:
        self.events.append(event)
        self.came_at.append(now())
        if self.send_seconds:
            await passed(self.send_seconds)

    async def send_audio(self, packets: list[AudioPacket]) -> None:
        self.packets += packets
        self.packets_at += [now()] * len(packets)

    def of(self, kind: type[T]) -> list[T]:
        """The events of a kind."""
        return [event for event in self.events if isinstance(event, kind)]

    def time_of(self, kind: type[Event]) -> float:
        """When the first event of a kind came, in seconds since the test began."""
        return next(at for event, at in zip(self.events, self.came_at, strict=True) if isinstance(event, kind))


class Reader(Generic[E]):
    """What a server says, where a wait for the next may be given up and begun again, as over a real call."""

    def __init__(self, events: AsyncGenerator[E, None], tasks: asyncio.TaskGroup) -> None:
        self._events = events
        self._tasks: asyncio.TaskGroup = tasks
        self._asking: asyncio.Task[None] | None = None
        self._came: E | None = None
        self._ends: ParleyError | StopAsyncIteration | None = None

    def stop(self) -> None:
        if self._asking is not None:
            self._asking.cancel()

    async def _ask(self) -> None:
        try:
            self._came = await anext(self._events)
        except (ParleyError, StopAsyncIteration) as end:
            self._ends = end

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> E:
        if self._asking is None and self._ends is None:
            self._asking = self._tasks.create_task(self._ask())
        if self._asking is not None:
            await asyncio.wait([self._asking])
        self._asking = None
        if self._ends is not None:
            raise self._ends
        came, self._came = self._came, None
        assert came is not None
        return came


@asynccontextmanager
async def call(
    requests: AsyncIterable[T] | None, take: Callable[[T | None], None], events: AsyncGenerator[E, None]
) -> AsyncIterator[AsyncIterator[E]]:
    """A call: `take` gets the requests as they are written, None at their end; `events` are what the server says."""

    async def write(requests: AsyncIterable[T]) -> None:
        async for request in requests:
            take(request)
        take(None)

    try:
        async with asyncio.TaskGroup() as tasks:
            writer = tasks.create_task(write(requests)) if requests is not None else None
            reader = Reader(events, tasks)
            yield reader
            reader.stop()
            if writer is not None:
                writer.cancel()
    except BaseExceptionGroup as group:
        raise first_of(group) from None
    finally:
        await events.aclose()


class ScriptedLlm(llm.LlmClient):
    """An LLM server; the last script serves all calls after it."""

    is_quick = True

    def __init__(self, *scripts: LlmScript) -> None:
        self._scripts = list(scripts)
        self.asked: list[llm.Config] = []
        self.calls = 0
        """Calls that are open."""

    @asynccontextmanager
    async def chat(
        self, config: llm.Config, results: AsyncIterable[llm.ToolResult] | None = None
    ) -> AsyncIterator[AsyncIterator[llm.Event]]:
        script = self._scripts[min(len(self.asked), len(self._scripts) - 1)]
        self.asked.append(config)
        given: asyncio.Queue[llm.ToolResult] = asyncio.Queue()

        def take(result: llm.ToolResult | None) -> None:
            if result is not None:
                given.put_nowait(result)

        self.calls += 1
        try:
            async with call(results, take, script(given)) as events:
                yield events
        finally:
            self.calls -= 1


class ScriptedTts(tts.TtsClient):
    """A TTS server; the last script serves all calls after it."""

    is_quick = True

    def __init__(self, *scripts: TtsScript) -> None:
        self._scripts = list(scripts) or [speaks]
        self.asked: list[tts.Config] = []
        self.calls = 0
        """Calls that are open."""

    @asynccontextmanager
    async def synthesize(
        self, config: tts.Config, text: AsyncIterable[tts.Request]
    ) -> AsyncIterator[AsyncIterator[tts.Event]]:
        script = self._scripts[min(len(self.asked), len(self._scripts) - 1)]
        self.asked.append(config)
        pieces: asyncio.Queue[tts.Request | None] = asyncio.Queue()
        self.calls += 1
        try:
            async with call(text, pieces.put_nowait, script(pieces)) as events:
                yield events
        finally:
            self.calls -= 1


async def speaks(pieces: asyncio.Queue[tts.Request | None]) -> AsyncGenerator[tts.Event, None]:
    """Speak each piece as a sentence of its own, at once, every character for 40 ms."""
    yield tts.Ready("scripted", "voice", RATE_HZ)
    sentence = characters = 0
    while (piece := await pieces.get()) is not None:
        if not isinstance(piece, str):
            continue
        start, characters = characters * CHARACTER_SAMPLES, characters + len(piece)
        yield tts.Audio(b"\1\0" * (len(piece) * CHARACTER_SAMPLES), start)
        yield tts.SentenceEnd(sentence, characters, characters * CHARACTER_SAMPLES, 0, 1, 2, cached=False)
        sentence += 1
    yield tts.Finished(characters * CHARACTER_SAMPLES)


def says(*pieces: str) -> LlmScript:
    """A model that writes these pieces at once."""

    async def script(results: asyncio.Queue[llm.ToolResult]) -> AsyncGenerator[llm.Event, None]:
        del results
        yield llm.Ready("scripted", "model")
        for piece in pieces:
            yield llm.Delta(piece)
        yield FINISHED

    return script


FINISHED: Final = llm.Finished(llm.FinishReason.STOP, 0, 0, 0, 0, 0, 0)


class AsrStream:
    """One stream to an ASR server: what it was sent, and what it is to say."""

    def __init__(self) -> None:
        self.requests: list[asr.Request] = []
        self.samples = 0
        """Length of all sound that came."""
        self.opened_at = now()
        self._said: asyncio.Queue[asr.Event | ParleyError | None] = asyncio.Queue()
        self.is_open = True

    @property
    def sound(self) -> list[asr.Audio]:
        return [request for request in self.requests if isinstance(request, asr.Audio)]

    @property
    def pcm(self) -> bytes:
        """All sound that came."""
        return b"".join(audio.pcm for audio in self.sound)

    @property
    def config(self) -> asr.Config:
        """What it was opened with."""
        [config, *_] = self.requests
        assert isinstance(config, asr.Config)
        return config

    def take(self, request: asr.Request) -> None:
        """Keep a request that came."""
        self.requests.append(request)
        if isinstance(request, asr.Audio):
            self.samples += len(request.pcm) // 2

    def say(self, *events: asr.Event) -> None:
        """Let the server say this next."""
        for event in events:
            self._said.put_nowait(event)

    def fail(self, error: ParleyError) -> None:
        """Let the server end the stream with an error."""
        self._said.put_nowait(error)

    def end(self) -> None:
        """Let the server end the stream."""
        self._said.put_nowait(None)

    async def events(self, admitted: asyncio.Event) -> AsyncGenerator[asr.Event, None]:
        while (event := await self._said.get()) is not None:
            if not isinstance(event, asr.Event):
                raise event
            admitted.set()
            yield event


class ScriptedAsr(asr.AsrClient):
    """An ASR server; `serve` is told of each request, and has the stream answer."""

    is_quick = True

    def __init__(self, serve: Callable[[AsrStream, asr.Request], None]) -> None:
        self._serve = serve
        self.streams: list[AsrStream] = []
        self.write_seconds = 0.0
        """How long a request takes on its way."""

    @property
    def stream(self) -> AsrStream:
        """The newest one."""
        return self.streams[-1]

    @asynccontextmanager
    async def transcribe(
        self, requests: AsyncIterable[asr.Request], placement: Placement | None = None
    ) -> AsyncIterator[AsyncIterator[asr.Event]]:
        del placement
        stream, admitted = AsrStream(), asyncio.Event()
        self.streams.append(stream)

        def take(request: asr.Request | None) -> None:
            if request is not None:
                stream.take(request)
                self._serve(stream, request)

        try:
            written = _written(requests, admitted, self.write_seconds)
            async with call(written, take, stream.events(admitted)) as events:
                yield events
        finally:
            stream.is_open = False

    def known(self, config: asr.Config) -> asr.Ready | None:
        del config
        return None


async def _written(requests: AsyncIterable[T], admitted: asyncio.Event, seconds: float) -> AsyncIterator[T]:
    """As the client writes: each after the other, and nothing behind the first before its answer."""
    async for request in requests:
        if seconds:
            await passed(seconds)
        yield request
        await admitted.wait()
