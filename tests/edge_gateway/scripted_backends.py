"""Model servers and a client for one session, in memory, on whatever clock the loop has; a test says what they do.

They keep the servers' own order of events, so that whatever is done with them could happen on the wire.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from prometheus_client import CollectorRegistry

from edge_gateway.audio.codecs import Codecs
from edge_gateway.audio.libopus import Libopus, find_libopus
from edge_gateway.backends import Backends
from edge_gateway.directory import Directory
from edge_gateway.latency.turn_metrics import TurnMetrics
from edge_gateway.reply.reply import Servers
from edge_gateway.turn import TurnKind
from parley import asr, llm, tts
from parley._duplex import first_of
from parley.conversation import (
    AudioFormat,
    AudioPacket,
    Encoding,
    Event,
    FlushPlayback,
    Outcome,
    Ping,
    Played,
    Pong,
    ReplyStarted,
    Request,
    SessionConfig,
    ToolRequest,
)
from parley.errors import EngineFailed, ParleyError, Unavailable
from serving.telemetry import Telemetry, new_provider
from tests.virtual_time import passed

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Callable

    from edge_gateway.latency.client_clock import ClientClock
    from edge_gateway.servers.placement import Placement
    from edge_gateway.turn import Turn
    from parley.conversation import TurnReport
    from serving.telemetry import SpanIdentity

PCM = AudioFormat(Encoding.PCM_S16LE, 16_000)
CONFIG = SessionConfig(
    input=PCM, output=PCM, reports_playback=True, tools=(llm.Tool("light", "Switches a light."),), hints=()
)
_LIBOPUS = Libopus(find_libopus())
_RATE_HZ = 16_000
_CHARACTER_SAMPLES = 800
# In which phases something can be said, and the phase after it.
_NEXT_PHASE = {
    "voice": {"quiet": "candidate"},
    "speech": {"candidate": "speech"},
    "words": {"candidate": "candidate", "speech": "speech"},
    "pause": {"speech": "pause"},
    "eager": {"pause": "eager"},
    "resume": {"pause": "speech", "eager": "speech"},
}


class ScriptedRecognizer:
    """An ASR server that says what `step` makes it say, in the order that the proto promises."""

    def __init__(self) -> None:
        self._news: asyncio.Queue[asr.Event | ParleyError] = asyncio.Queue()
        self._received = 0
        self._phase, self._ready = "quiet", False
        self._turn = 1
        self.streams = 0
        self.ended: list[asr.EndOfTurn] = []

    @asynccontextmanager
    async def transcribe(
        self, requests: AsyncIterable[asr.Request], placement: Placement | None = None
    ) -> AsyncIterator[AsyncIterator[asr.Event]]:
        del placement
        self._news = asyncio.Queue()
        self._phase, self._ready = "quiet", False
        self.streams += 1
        try:
            async with asyncio.TaskGroup() as tasks:
                reading = tasks.create_task(self._read(requests), name="scripted asr")
                yield self._events()
                reading.cancel()
        except BaseExceptionGroup as group:
            raise first_of(group) from None

    def known(self, config: asr.Config) -> asr.Ready | None:
        """Nothing before it was asked."""
        del config
        return None

    async def languages(self) -> asr.Languages:
        return asr.Languages("scripted", "script", ("en",))

    async def _read(self, requests: AsyncIterable[asr.Request]) -> None:
        unacknowledged = of_stream = 0
        async for request in requests:
            match request:
                case asr.Config():
                    self._received, self._turn, self._ready = request.first_sample, request.first_turn, True
                    self._news.put_nowait(asr.Ready("scripted", "script", "en", _RATE_HZ))
                case asr.Audio():
                    samples = len(request.pcm) // 2
                    self._received += samples
                    of_stream += samples
                    unacknowledged += samples
                    if unacknowledged >= _RATE_HZ:
                        unacknowledged = 0
                        accounted = self._received if self._phase == "quiet" else 0
                        self._news.put_nowait(asr.AudioAck(accounted, of_stream))
                case asr.Flush():
                    self.step("end" if self._phase in {"speech", "pause", "eager"} else "discard", "let me finish")
                case _:
                    pass

    async def _events(self) -> AsyncIterator[asr.Event]:
        while True:
            event = await self._news.get()
            if isinstance(event, ParleyError):
                raise event
            yield event

    def step(self, what: str, text: str) -> None:
        """Say the next thing, if it is one that can come now."""
        if not self._ready:
            return
        if what == "break":
            self._news.put_nowait(Unavailable("the script breaks off"))
        elif what == "discard":
            self._phase = "quiet"
            at = self._received
            self._news.put_nowait(asr.TurnDiscarded(self._turn, asr.DiscardReason.NOISE, at, at))
        elif what == "end" and self._phase in {"speech", "pause", "eager"}:
            self._end(text)
        elif self._phase in _NEXT_PHASE.get(what, {}):
            for event in self._events_of(what, text):
                self._news.put_nowait(event)
            self._phase = _NEXT_PHASE[what][self._phase]

    def _events_of(self, what: str, text: str) -> list[asr.Event]:
        turn, at = self._turn, self._received
        resumed = [asr.TurnResumed(turn, at)] if self._phase == "eager" else []
        events: dict[str, list[asr.Event]] = {
            "voice": [asr.VoiceOnset(turn, at)],
            "speech": [asr.SpeechStarted(turn, at, 320)],
            "words": [asr.Partial(turn, text, 0, 400)],
            "pause": [asr.VoiceStopped(turn, at, 600)],
            "eager": [asr.EagerEndOfTurn(turn, text, at)],
            "resume": [asr.VoiceOnset(turn, at), *resumed],
        }
        return events[what]

    def say(self, text: str) -> None:
        """A whole turn."""
        for what in ("voice", "speech", "words", "pause", "end"):
            self.step(what, text)

    def _end(self, text: str) -> None:
        self._phase = "quiet"
        end = asr.EndOfTurn(
            turn=self._turn,
            text=text,
            first_sample=0,
            end_sample=self._received,
            speech_end_sample=self._received,
            reason=asr.EndReason.SILENCE,
            timings=asr.Timings(300.0, 0.0, 1.0, 1.0, eager=False),
            voiced_ms=800,
        )
        self._turn += 1
        self.ended.append(end)
        self._news.put_nowait(end)


@dataclass(slots=True)
class Mood:
    """What the two other servers are like for now."""

    seconds: float = 0.01
    """How long each of them takes for whatever it does."""
    llm_fails: bool = False
    tts_fails: bool = False
    calls: bool = False
    """The model wants a function called first."""
    silent: bool = False
    """What is written cannot be spoken."""
    actions: tuple[llm.SessionAction, ...] = ()
    """What a reply brings before its words."""

    def be(self, **changed: float | bool | tuple[llm.SessionAction, ...]) -> None:
        """Be like this from now on."""
        for name, value in changed.items():
            setattr(self, name, value)


class ScriptedWriter:
    """An LLM server."""

    def __init__(self, mood: Mood) -> None:
        self.mood = mood
        self.asked: list[llm.Config] = []
        self.uses: tuple[llm.ToolUse, ...] = ()
        """Functions of its own that a reply calls, before the actions that come of them."""

    @asynccontextmanager
    async def chat(
        self, config: llm.Config, results: AsyncIterable[llm.ToolResult] | None = None
    ) -> AsyncIterator[AsyncIterator[llm.Event]]:
        self.asked.append(config)
        yield self._events(config, results)

    async def _events(
        self, config: llm.Config, results: AsyncIterable[llm.ToolResult] | None
    ) -> AsyncIterator[llm.Event]:
        mood, number = self.mood, len(self.asked)
        yield llm.Ready("scripted", "script")
        async for progress in _waiting(mood.seconds):
            yield progress
        if mood.llm_fails:
            raise EngineFailed("the script fails")
        if mood.calls and results is not None:
            yield llm.ToolCall("call-1", "light", f'{{"of": "{config.messages[-1].text[-8:]}"}}')
            await anext(aiter(results))
        for event in (*self.uses, *mood.actions):
            yield event
        for piece in (f"This is answer {number}. ", "It has a second sentence, and is not short."):
            yield llm.Delta(piece)
            await passed(mood.seconds / 4)
        yield llm.Finished(llm.FinishReason.STOP, 0, 0, 0, 0, 0, 0)

    async def models(self) -> llm.Models:
        return llm.Models("scripted", ("script",))


async def _waiting(seconds: float) -> AsyncIterator[llm.Progress]:
    while seconds > 1:
        await passed(1)
        seconds -= 1
        yield llm.Progress(llm.ProgressKind.WAITING)
    await passed(seconds)


class ScriptedSpeaker:
    """A TTS server; a character lasts 50 ms."""

    def __init__(self, mood: Mood) -> None:
        self.mood = mood
        self.spoken: list[tuple[str, float | None, float | None]] = []
        """Each piece of text, how fast and how loud."""
        self.asked_for_voices = 0

    @asynccontextmanager
    async def synthesize(
        self, config: tts.Config, text: AsyncIterable[tts.Request]
    ) -> AsyncIterator[AsyncIterator[tts.Event]]:
        pieces: asyncio.Queue[tts.Request | None] = asyncio.Queue()
        try:
            async with asyncio.TaskGroup() as tasks:
                reading = tasks.create_task(_into(pieces, text), name="scripted tts")
                yield self._events(config, pieces)
                reading.cancel()
        except BaseExceptionGroup as group:
            raise first_of(group) from None

    async def _events(self, config: tts.Config, pieces: asyncio.Queue[tts.Request | None]) -> AsyncIterator[tts.Event]:
        yield tts.Ready("scripted", "tone", config.sample_rate_hz)
        at = place = sentence = 0
        speed, gain_db = config.speed, config.gain_db
        while (piece := await pieces.get()) is not None:
            if isinstance(piece, tts.Adjust):
                speed, gain_db = piece.speed or speed, gain_db if piece.gain_db is None else piece.gain_db
            if not isinstance(piece, str):
                continue
            self.spoken.append((piece.strip(), speed, gain_db))
            await passed(self.mood.seconds / 4)
            if self.mood.tts_fails:
                raise EngineFailed("the script cannot speak")
            if self.mood.silent:
                continue
            for word in piece.split():
                start = place + piece.find(word)
                yield tts.WordMark(start, start + len(word), at, estimated=False)
                samples = len(word) * _CHARACTER_SAMPLES
                yield tts.Audio(bytes(2 * samples), at)
                at += samples
            place += len(piece)
            yield tts.SentenceEnd(sentence, place, at, 0, 0, 0, cached=False)
            sentence += 1
        yield tts.Finished(at)

    async def voices(self) -> tuple[tts.Voice, ...]:
        return (await self.list_voices()).voices

    async def list_voices(self) -> tts.Voices:
        self.asked_for_voices += 1
        return tts.Voices("scripted", (tts.Voice("tone", "en", "a tone", _RATE_HZ),))


async def _into(pieces: asyncio.Queue[tts.Request | None], text: AsyncIterable[tts.Request]) -> None:
    async for piece in text:
        await pieces.put(piece)
    await pieces.put(None)


class RecordingMetrics(TurnMetrics):
    """Keeps how each turn ended."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        super().__init__(Telemetry(new_provider("test"), self.registry))
        self.ended: list[tuple[int, Outcome]] = []
        self.reminded: set[int] = set()
        """Turns in which the assistant was to remind of something."""

    def count(self, name: str, value: str) -> float:
        """What a counter with one label shows for `value`."""
        samples = (sample for metric in self.registry.collect() for sample in metric.samples if sample.name == name)
        return next(sample.value for sample in samples if value in sample.labels.values())

    def turn(
        self, session_id: str, turn: Turn, heard: str, clock: ClientClock, previous: SpanIdentity | None
    ) -> TurnReport:
        self.ended.append((turn.number, turn.outcome))
        if turn.kind is TurnKind.REMINDER:
            self.reminded.add(turn.number)
        return super().turn(session_id, turn, heard, clock, previous)


@dataclass(slots=True)
class House:
    """What a session stands in."""

    mood: Mood = field(default_factory=Mood)
    recognizer: ScriptedRecognizer = field(default_factory=ScriptedRecognizer)
    metrics: RecordingMetrics = field(default_factory=RecordingMetrics)

    def __post_init__(self) -> None:
        self.writer, self.speaker = ScriptedWriter(self.mood), ScriptedSpeaker(self.mood)

    writer: ScriptedWriter = field(init=False)
    speaker: ScriptedSpeaker = field(init=False)

    def backends(self) -> Backends:
        # The clients are what they stand for in all that a session asks of them.
        servers = Servers(cast("llm.LlmClient", self.writer), cast("tts.TtsClient", self.speaker))
        recognizer = self.recognizer
        return Backends(
            recognizer,
            servers,
            Directory(recognizer, servers),
            Codecs(_LIBOPUS),
            self.metrics,
            "Be brief.",
            400,
            "One moment.",
        )


class ScriptedClient:
    """A client that answers pings, plays what it gets, and says what a test tells it to."""

    def __init__(self) -> None:
        self.encoding = self.reply_encoding = Encoding.PCM_S16LE
        self.half_closed = False
        self.address = ""
        self.caller = ""
        self.events: list[Event] = []
        self.packets: list[AudioPacket] = []
        self.calls: list[ToolRequest] = []
        self._requests: asyncio.Queue[Request | ParleyError | None] = asyncio.Queue()
        self._sequence = 0

    async def received(self, hear: Callable[[AudioPacket], None]) -> AsyncIterator[Request | ParleyError]:
        while (request := await self._requests.get()) is not None:
            if not isinstance(request, AudioPacket):
                yield request
                continue
            try:
                hear(request)
            except ParleyError as error:
                yield error

    async def send(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, Ping):
            self.ask(Pong(event.id, event.sent_unix_us, event.sent_unix_us))
        elif isinstance(event, FlushPlayback):
            self.report(event.reply, 0.5, final=True)
        elif isinstance(event, ToolRequest):
            self.calls.append(event)

    async def send_audio(self, packets: list[AudioPacket]) -> None:
        self.packets += packets

    def ask(self, request: Request) -> None:
        self._requests.put_nowait(request)

    def speak(self, packets: int, level: int) -> None:
        """Send packets of 20 ms of a tone."""
        half = level.to_bytes(2, "little", signed=True) * 20 + (-level).to_bytes(2, "little", signed=True) * 20
        for _ in range(packets):
            self.ask(AudioPacket(half * 8, self._sequence))
            self._sequence += 1

    def report(self, reply: int, share: float, *, final: bool) -> None:
        """Say how much of what was sent of a reply has played."""
        sent = sum(len(packet.data) // 2 for packet in self.packets if packet.reply == reply)
        self.ask(Played(reply, round(sent * share), final=final))

    def leave(self, *, half_closed: bool) -> None:
        """Say no more."""
        self.half_closed = half_closed
        self._requests.put_nowait(None)

    @property
    def last_reply(self) -> int:
        """Number of the reply that began last, 0: none did."""
        return max((event.reply for event in self.events if isinstance(event, ReplyStarted)), default=0)
