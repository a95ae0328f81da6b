"""Speaks one reply as its text comes: cuts pieces, has them spoken one after the other, and places them on one clock.

Knows nothing of gRPC or of a particular engine.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from parley.audio import SAMPLE_BYTES
from serving.telemetry import clock_ns
from tts_server.cutting import Cutter
from tts_server.engine import Audio, SpeechRequest, WordMark
from tts_server.loudness import Converted
from tts_server.onset import from_first_sound
from tts_server.prosody import Adjust, Prosody, ProsodyCourse
from tts_server.synthesizer import Begun
from tts_server.text.normalize import WrittenMarks, normalize, pictures_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from tts_server.engine import Voice
    from tts_server.synthesizer import Synthesizer
    from tts_server.text.chunker import Piece
    from tts_server.text.lexicon import Lexicon
    from tts_server.text.normalize import NormalizedText

_FIRST_CHUNK_SECONDS: Final = 0.04
_CHUNK_SECONDS: Final = 0.2
_BETWEEN_SENTENCES_SECONDS: Final = 0.12


@dataclass(frozen=True, slots=True)
class Mark:
    """A word begins to sound."""

    start_char: int
    """First character in the reply's text."""
    end_char: int
    """Character after its last one."""
    sample: int
    """Sample of the reply."""
    estimated: bool
    """Reckoned from the text's length."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A run of sound."""

    pcm: bytes
    """s16le at the rate asked for."""
    sample: int
    """Its first sample in the reply."""
    number: int
    """From 0."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A piece has been spoken."""

    number: int
    """From 0."""
    start_char: int
    """First character in the reply's text."""
    end_char: int
    """Character after its last one."""
    end_sample: int
    """Sample of the reply after its last one."""
    ready_ns: int
    """When its text was complete."""
    begun_ns: int
    """When the engine began."""
    first_audio_ns: int
    """When its first sound was there."""
    end_ns: int
    """When its last sound was there."""
    cached: bool
    """The engine had no part in it."""
    text: str = ""
    """What was said."""


@dataclass(frozen=True, slots=True)
class UnderWay:
    """A piece that is being spoken."""

    number: int
    """From 0."""
    ready_ns: int
    """When its text was complete."""


Event = Mark | Chunk | Sentence
Delta = str | Adjust | None
"""A piece of the text, another prosody for what begins after it, or the wish to hear what there is."""


@dataclass(frozen=True, slots=True)
class _Ready:
    """A piece whose turn it is."""

    piece: Piece
    ready_ns: int
    prosody: Prosody


class Speaker:
    """One reply."""

    def __init__(
        self,
        synthesizer: Synthesizer,
        voice: Voice,
        sample_rate_hz: int,
        prosody: Prosody,
        lexicon: Lexicon | None = None,
    ) -> None:
        """Speak with `voice` at `sample_rate_hz`, with `prosody` until the text says otherwise.

        Words are pronounced as `lexicon` says.
        """
        self._synthesizer = synthesizer
        self._voice = voice
        self._rate_hz = sample_rate_hz
        self._course = ProsodyCourse(prosody)
        self._lexicon = lexicon
        self._sentences = 0
        self._fence = ""
        self._wordless: _Ready | None = None
        self._chunks = 0
        self._marks: deque[Mark] = deque()
        """Those that wait to be sent."""
        self.samples = 0
        """Samples made so far."""
        self.characters = 0
        """Characters received so far."""

        self.under_way: UnderWay | None = None
        """The piece that is being spoken; None: none is."""
        self.left_seconds = 0.0
        """When the caller left, on the monotonic clock; 0: they stayed to the end."""

    async def speak(self, text: AsyncIterator[Delta], emit: Callable[[Event], Awaitable[None]]) -> None:
        """Speak the reply whose text comes in pieces; None among them has everything so far spoken."""
        with Cutter(whole=self._voice.quick) as cutter:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._read(text, cutter), name="read")
                await self._speak(cutter, emit)

    async def _speak(self, cutter: Cutter, emit: Callable[[Event], Awaitable[None]]) -> None:
        while (item := await cutter.next()) is not None:
            self.under_way = UnderWay(self._sentences, item[1])
            await self._sentence(self._ready(*item), emit)
            self.under_way = None
        if not self._sentences and self._wordless is not None:
            # A reply that is an emoji alone says its name: silence would be taken for a fault.
            await self._say(pictures_of(self._wordless.piece.text), self._wordless, emit)

    async def _read(self, text: AsyncIterator[Delta], cutter: Cutter) -> None:
        async for delta in text:
            match delta:
                case str():
                    self.characters += len(delta)
                case Adjust():
                    self._course.change(self.characters, delta)
                    continue
                case None:
                    pass
            await cutter.add(delta)
        cutter.end()

    def _ready(self, piece: Piece, ready_ns: int) -> _Ready:
        # The space before a sentence may have come long before the sentence.
        begins = piece.end_char - len(piece.text.lstrip())
        return _Ready(piece, ready_ns, self._course.at(begins))

    async def _sentence(self, item: _Ready, emit: Callable[[Event], Awaitable[None]]) -> None:
        piece, is_code = item.piece, bool(self._fence)
        said = normalize(
            piece.text,
            fence=self._fence,
            language=self._voice.language,
            begins_line=not piece.start_char,
            lexicon=self._lexicon,
        )
        self._fence = said.fence
        if not said.text and not is_code and self._wordless is None and pictures_of(piece.text).text:
            self._wordless = item
        await self._say(said, item, emit)

    async def _say(self, said: NormalizedText, item: _Ready, emit: Callable[[Event], Awaitable[None]]) -> None:
        if not said.text:
            return
        piece, ready_ns = item.piece, item.ready_ns
        begun, first, marks = Begun(ready_ns, cached=False), 0, WrittenMarks(said, piece.start_char)
        sound = Converted(self._voice.sample_rate_hz, self._rate_hz, item.prosody.gain_db)
        waiting = bytearray(self._pause())
        base = self.samples + len(waiting) // SAMPLE_BYTES
        async with self._synthesizer.synthesize(SpeechRequest(said.text, self._voice, item.prosody.speed)) as events:
            # The silence between sentences is meant; before the first it would be waited for.
            heard = events if self.samples else from_first_sound(events, self._voice.sample_rate_hz)
            try:
                async for event in heard:
                    match event:
                        case Begun():
                            begun = event
                        case WordMark():
                            for mark in marks.written(event):
                                sample = base + mark.sample * self._rate_hz // self._voice.sample_rate_hz
                                self._marks.append(Mark(mark.start_char, mark.end_char, sample, mark.estimated))
                            await self._send_marks(emit)
                        case Audio():
                            first = first or clock_ns()
                            waiting += sound.push(event.pcm)
                            await self._send(waiting, emit, whole=False)
                            await self._send_marks(emit)
            except asyncio.CancelledError:
                self.left_seconds = time.monotonic()
                raise
        waiting += sound.finish()
        await self._send(waiting, emit, whole=True)
        await self._send_marks(emit)
        end = clock_ns()
        where, times = (piece.start_char, piece.end_char, self.samples), (ready_ns, begun.unix_ns, first or end, end)
        await emit(Sentence(self._number(), *where, *times, begun.cached, said.text))

    async def _send_marks(self, emit: Callable[[Event], Awaitable[None]]) -> None:
        """Send the marks that there are, but none before the first sound, which a listener waits for."""
        while self._chunks and self._marks:
            await emit(self._marks.popleft())

    def _number(self) -> int:
        """Number of the sentence that has just been spoken."""
        self._sentences += 1
        return self._sentences - 1

    def _pause(self) -> bytes:
        """The silence before a sentence; none before the first."""
        seconds = _BETWEEN_SENTENCES_SECONDS if self._sentences else 0.0
        return bytes(round(seconds * self._rate_hz) * SAMPLE_BYTES)

    async def _send(self, waiting: bytearray, emit: Callable[[Event], Awaitable[None]], *, whole: bool) -> None:
        """Send what is there in chunks: small at first, since somebody waits, then larger, since messages cost."""
        while waiting:
            seconds = _CHUNK_SECONDS if self.samples else _FIRST_CHUNK_SECONDS
            size = round(seconds * self._rate_hz) * SAMPLE_BYTES
            if len(waiting) < size and not whole:
                return
            pcm = bytes(waiting[:size])
            del waiting[:size]
            sample = self.samples
            self.samples += len(pcm) // SAMPLE_BYTES
            await emit(Chunk(pcm, sample, self._chunks))
            self._chunks += 1
