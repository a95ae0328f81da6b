"""One reply: asks the LLM, has the words spoken as they come, and sends the sound at the listener's pace.

A reply is one task. It may begin in secret: then everything is held back until `release`. Cancelling the task ends the
work on both servers. Knows nothing of who decides that, or of the history beyond the messages it was given.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from edge_gateway.latency.timeline import Marks, Sentence
from edge_gateway.reply.generation import ToolDesk, asked, written
from edge_gateway.reply.pacing import Pacer, PacingConfig
from edge_gateway.reply.spoken_text import ReplyText as HeardText
from edge_gateway.session_config import error_event
from parley import llm, tts
from parley.audio import SAMPLE_BYTES
from parley.conversation import (
    PACKET_SECONDS,
    AudioPacket,
    Event,
    Outcome,
    ReplyAudioEnd,
    ReplyStarted,
    ReplyText,
    ReplyWord,
    ToolRequest,
)
from parley.errors import DeadlinePassed, EngineFailed, ParleyError
from serving.telemetry import SpanIdentity, clock_ns

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from edge_gateway.connection import Peer
    from edge_gateway.reply.generation import News

_FIRST_AUDIO_SECONDS: Final = 2.0
# From the end of the text, or from the last sound after it, to the next sound.
_NEXT_AUDIO_SECONDS: Final = 3.0
# The longest wait for the listener at once; it only makes the next look come.
_LOOK_SECONDS: Final = 10.0
# What a listener's reports may lag behind the clock before a reply counts as heard without them.
_PLAYOUT_PATIENCE_SECONDS: Final = 2.0
_NS_PER_MS: Final = 1_000_000


class PacketEncoder(Protocol):
    """Makes packets of exactly 20 ms of PCM."""

    @property
    def lookahead_samples(self) -> int:
        """How late the listener's decoder is: so much silence pushes the end of a reply out."""
        ...

    def encode(self, pcm: bytes) -> bytes:
        """One packet."""
        ...


@dataclass(frozen=True, slots=True)
class Servers:
    """The two servers that a reply needs."""

    llm: llm.LlmClient
    """Writes."""
    tts: tts.TtsClient
    """Speaks."""


@dataclass(frozen=True, slots=True)
class Brief:
    """What a reply is asked to be."""

    number: int
    """Number of the reply in its session."""
    turn: int
    """The turn that it answers; 0: a greeting."""
    identity: SpanIdentity
    """Root span of the turn."""
    chat: llm.Config | None
    """What the LLM is asked; None: `fixed_text` is said."""
    voice: tts.Config
    """How it is spoken."""
    fixed_text: str = ""
    """Text of a greeting."""
    lead_seconds: float = 0.4
    """How far ahead of the listener sound is sent."""
    filler: str = ""
    """What is said while a function takes long; may be empty."""


@dataclass(slots=True)
class Failure:
    """What went wrong in a reply."""

    hop: str
    """The server at fault."""
    error: ParleyError
    """Why."""


@dataclass(slots=True)
class Progress:
    """How far a reply has come; read by the session when it is over."""

    marks: Marks = field(default_factory=Marks)
    """Points in time."""
    words: HeardText = field(default_factory=HeardText)
    """Its text, and where each word sounds."""
    outcome: Outcome = Outcome.UNSPECIFIED
    """How it ended; set by whoever ended it."""
    failure: Failure | None = None
    """What went wrong."""
    played_samples: int = 0
    """What the listener has reported."""
    played_final: bool = False
    """The listener will play no more of it."""
    model: str = ""
    """Who wrote it, where the LLM server has several; empty: its model."""
    text_only: bool = False
    """It could not be spoken, and was shown instead."""


class Reply:
    """One reply, from the question to the last sample heard."""

    def __init__(
        self,
        brief: Brief,
        servers: Servers,
        peer: Peer,
        encoder: Callable[[], PacketEncoder],
    ) -> None:
        """Prepare; `encoder` makes the codec when there is something to encode."""
        self.brief = brief
        self.progress = Progress()
        self._servers = servers
        self._peer = peer
        self._make_encoder = encoder
        rate = brief.voice.sample_rate_hz
        self._packet_samples = round(rate * PACKET_SECONDS)
        self._pacer = Pacer(
            PacingConfig(sample_rate_hz=rate, packet_samples=self._packet_samples, lead_seconds=brief.lead_seconds)
        )
        self._released = asyncio.Event()
        self._reported = asyncio.Event()
        self._held: list[Event] = []
        self._pcm = bytearray()
        self._sequence = 0
        self._encoder: PacketEncoder | None = None
        self._listens = True
        self.desk = ToolDesk(brief.number, self._ask)
        """Functions that are being called."""

    def release(self) -> None:
        """Let it be heard."""
        if not self._released.is_set():
            self.progress.marks.released_ns = clock_ns()
            self._released.set()

    def played(self, samples: int, round_trip_seconds: float, *, final: bool) -> None:
        """Take the listener's report."""
        now = asyncio.get_running_loop().time()
        self._pacer.played(samples, now, round_trip_seconds=round_trip_seconds)
        self.progress.played_samples = max(self.progress.played_samples, min(samples, self._pacer.sent_samples))
        self.progress.played_final = self.progress.played_final or final
        self._reported.set()

    def position(self) -> int:
        """Samples that the listener has heard by now, as far as is known."""
        if self.progress.played_final:
            return self.progress.played_samples
        return max(0, min(self._pacer.position(asyncio.get_running_loop().time()), self._pacer.sent_samples))

    @property
    def started(self) -> bool:
        """True once a packet has gone to the listener."""
        return self._sequence > 0

    async def run(self, audible: Callable[[], Awaitable[None]]) -> None:
        """Make the reply; returns when it has been heard, or has failed as `progress.failure` says.

        `audible` is awaited when the first packet has gone.
        """
        progress, self._audible = self.progress, audible
        try:
            await self._speak()
        except ParleyError as error:
            # What the LLM server did wrong has been noted where its text is read.
            progress.failure = progress.failure or Failure("tts", error)
        except TimeoutError:
            progress.failure = Failure("tts", DeadlinePassed("the tts server has made no sound in time"))
        if progress.failure is not None:
            await self._admit(progress.failure)
        if self.started:
            await self._until_heard()
        if progress.outcome is Outcome.UNSPECIFIED:
            progress.outcome = Outcome.FAILED if progress.failure else Outcome.COMPLETED

    async def _speak(self) -> None:
        progress = self.progress
        async with (
            asyncio.timeout(None) as self._limit,
            self._text() as text,
            self._servers.tts.synthesize(self.brief.voice, text) as speech,
        ):
            async for event in speech:
                # What the listener's pace takes is not the server's time.
                self._listens = False
                self._limit.reschedule(None)
                await self._handle(event)
                self._listens = True
                self._expect_audio()
        progress.words.finish(self._pacer.sent_samples)

    @asynccontextmanager
    async def _text(self) -> AsyncIterator[AsyncIterator[tts.Request]]:
        """The reply's text as it comes."""
        self.progress.marks.asked_ns = clock_ns()
        if self.brief.chat is None:
            yield self._fixed()
            return
        async with asked(self._servers.llm, self.brief.chat, self.desk) as news:
            yield self._deltas(news)

    async def _fixed(self) -> AsyncIterator[tts.Request]:
        await self._say(self.brief.fixed_text)
        self.progress.marks.text_end_ns = clock_ns()
        yield self.brief.fixed_text

    async def _deltas(self, news: News) -> AsyncIterator[tts.Request]:
        marks = self.progress.marks
        try:
            async for event in written(news, self.desk, self.brief.filler):
                if isinstance(event, llm.Finished):
                    self.progress.model = event.model
                elif isinstance(event, tts.SpeakNow):
                    yield event
                else:
                    await self._say(event.text)
                    yield event.text
        except ParleyError as error:
            self.progress.failure = Failure("llm", error)
            raise
        marks.text_end_ns = clock_ns()
        self._expect_audio()
        if not marks.first_token_ns:
            empty = EngineFailed("the llm server gave an empty reply")
            self.progress.failure = Failure("llm", empty)
            raise empty

    async def _ask(self, call: llm.ToolCall) -> None:
        """Have the listener call a function; never in secret, for it may change something."""
        await self._released.wait()
        await self._peer.send(ToolRequest(self.brief.number, call))

    async def _say(self, text: str) -> None:
        """Note a piece of text and tell it to the listener, in secret if so it is."""
        marks = self.progress.marks
        if not marks.first_token_ns:
            marks.first_token_ns = clock_ns()
            self._expect_audio()
        self.progress.words.delta(text)
        await self._tell(ReplyText(self.brief.number, text))

    def _expect_audio(self) -> None:
        """Set how long the TTS server may be silent from now on; while more text may come, it waits too."""
        marks, limit = self.progress.marks, None
        if marks.first_token_ns and not marks.first_audio_ns:
            limit = _FIRST_AUDIO_SECONDS
        elif marks.text_end_ns:
            limit = _NEXT_AUDIO_SECONDS
        if limit and self._listens and not self.progress.text_only:
            self._limit.reschedule(asyncio.get_running_loop().time() + limit)

    async def _tell(self, event: Event) -> None:
        if self.started or self.progress.text_only:
            await self._peer.send(event)
        else:
            self._held.append(event)

    async def _handle(self, event: tts.Event) -> None:
        marks = self.progress.marks
        match event:
            case tts.Audio():
                if not marks.first_audio_ns:
                    marks.first_audio_ns = clock_ns()
                self._pcm += event.pcm
                await self._send_packets()
            case tts.WordMark():
                self.progress.words.mark(event.first_character, event.end_character, event.first_sample)
                await self._tell(
                    ReplyWord(self.brief.number, event.first_character, event.end_character, event.first_sample)
                )
            case tts.SentenceEnd():
                now = clock_ns()
                self.progress.words.sentence_end(event.end_character, event.end_sample)
                if marks.sentences or not marks.first_audio_ns:
                    ready = now - round(event.total_ms * _NS_PER_MS)
                else:
                    ready = marks.first_audio_ns - round(event.first_audio_ms * _NS_PER_MS)
                marks.sentences.append(Sentence(ready, max(ready, now if marks.sentences else marks.first_audio_ns)))
            case tts.Finished():
                await self._send_rest()
            case tts.Ready():
                pass

    async def _send_packets(self) -> None:
        """Send every whole packet that is there, at the listener's pace."""
        size = self._packet_samples * SAMPLE_BYTES
        while len(self._pcm) >= size:
            if not self._released.is_set():
                await self._released.wait()
            allowed = await self._wait_for_room()
            first = not self._sequence
            # The first packet goes alone: the listener need not wait until the others are encoded.
            packets = self._encode(1 if first else min(allowed, len(self._pcm) // size))
            if first:
                await self._peer.send(ReplyStarted(self.brief.number, self.brief.turn))
            await self._peer.send_audio(packets)
            self._pacer.sent(len(packets), asyncio.get_running_loop().time())
            if first:
                await self._begin()

    def _encode(self, count: int) -> list[AudioPacket]:
        size = self._packet_samples * SAMPLE_BYTES
        if self._encoder is None:
            self._encoder = self._make_encoder()
        packets = []
        for place in range(count):
            data = self._encoder.encode(bytes(self._pcm[place * size : (place + 1) * size]))
            first_sample = self._sequence * self._packet_samples
            packets.append(AudioPacket(data, self._sequence, reply=self.brief.number, first_sample=first_sample))
            self._sequence += 1
        del self._pcm[: count * size]
        return packets

    async def _begin(self) -> None:
        """The first packet has gone: what was held back may follow."""
        self.progress.marks.first_sent_ns = clock_ns()
        await self._audible()
        held, self._held = self._held, []
        for event in held:
            await self._peer.send(event)

    async def _wait_for_room(self) -> int:
        loop = asyncio.get_running_loop()
        while not (allowed := self._pacer.allowed(loop.time())):
            seconds = self._pacer.hold(loop.time())
            self._reported.clear()
            try:
                async with asyncio.timeout(min(seconds, _LOOK_SECONDS)):
                    await self._reported.wait()
            except TimeoutError:
                continue
        return allowed

    async def _send_rest(self) -> None:
        """Send the end of the reply, padded to a whole packet and pushed out of the listener's decoder."""
        size = self._packet_samples * SAMPLE_BYTES
        lookahead = self._encoder.lookahead_samples if self._encoder else 0
        if self._pcm or self._sequence:
            self._pcm += bytes(lookahead * SAMPLE_BYTES)
            self._pcm += bytes(-len(self._pcm) % size)
            await self._send_packets()
            await self._tell(ReplyAudioEnd(self.brief.number, self._pacer.sent_samples))

    async def _until_heard(self) -> None:
        """Wait until the listener has played everything, as they report or as the clock says."""
        loop = asyncio.get_running_loop()
        rate = self.brief.voice.sample_rate_hz
        by_clock = loop.time() + (self._pacer.sent_samples - self.position()) / rate
        while not self.progress.played_final and self.progress.played_samples < self._pacer.sent_samples:
            limit = by_clock + (_PLAYOUT_PATIENCE_SECONDS if self.progress.played_samples else 0)
            self._reported.clear()
            try:
                async with asyncio.timeout_at(limit):
                    await self._reported.wait()
            except TimeoutError:
                return

    async def _admit(self, failure: Failure) -> None:
        """Tell the listener what failed, and give what can still be given, so that it is never just silent."""
        await self._released.wait()
        await self._peer.send(error_event(failure.error, failure.hop, turn=self.brief.turn))
        if self.started:
            await self._peer.send(ReplyAudioEnd(self.brief.number, self._pacer.sent_samples))
        elif failure.hop == "tts":
            await self._show_text()

    async def _show_text(self) -> None:
        """Write out what cannot be spoken; nothing of it was shown before."""
        progress = self.progress
        progress.words, progress.text_only, self._held = HeardText(), True, []
        await self._peer.send(ReplyStarted(self.brief.number, self.brief.turn))
        try:
            async with self._text() as text:
                async for _ in text:
                    pass
        except ParleyError as error:
            await self._peer.send(error_event(error, "llm", turn=self.brief.turn))
