"""One reply: asks the LLM, has the words spoken as they come, and sends the sound at the listener's pace.

A reply is one task. It may be speculative: then everything is held back until `release`. Cancelling the task ends the
work on both servers. Knows nothing of who decides that, or of the history beyond the messages it was given.
"""

from __future__ import annotations

import weakref
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from edge_gateway.latency.timeline import ReplyTimes
from edge_gateway.reply.audience import Audience
from edge_gateway.reply.generation import FixedText, Generation, Piece, Waiting, generation
from edge_gateway.reply.playout import PacketEncoder, Playout, pacing
from edge_gateway.reply.sound_deadline import SoundDeadline
from edge_gateway.reply.spoken_text import SpokenText
from edge_gateway.reply.tool_calls import CallLedger, CallRecord, ToolCalls
from edge_gateway.reply.wishes import Wishes
from parley import llm, tts
from parley.conversation import (
    Outcome,
    ReplyAudioEnd,
    ReplyText,
    ReplyWord,
    ToolUsed,
)
from parley.errors import DeadlinePassed, EngineFailed, ParleyError
from serving.telemetry import clock_ns

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from typing import TypeVar

    from edge_gateway.connection import ClientConnection
    from edge_gateway.idle_callbacks import IdleCallbacks
    from edge_gateway.reply.wishes import Wish
    from edge_gateway.servers.hops import Speaks, Writes

    T = TypeVar("T")
    Tell = Callable[[T], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Servers:
    """The two servers that a reply needs."""

    llm: Writes
    """Writes."""
    tts: Speaks
    """Speaks."""


@dataclass(frozen=True, slots=True)
class Brief:
    """What a reply is asked to be."""

    number: int
    """Number of the reply in its session."""
    turn: int
    """The turn that it answers; 0: a greeting."""
    chat: llm.Config | None
    """What the LLM is asked; None: `fixed_text` is said."""
    voice: tts.Config
    """How it is spoken."""
    fixed_text: str = ""
    """Text of a greeting."""
    lead_seconds: float = 0.4
    """How far ahead of the listener sound is sent."""
    filler: str = ""
    """What is said while a function or the model takes long; may be empty."""
    carried: tuple[CallRecord, ...] = ()
    """Functions that were called for the same words before."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong in a reply."""

    hop: str
    """The server at fault."""
    error: ParleyError
    """Why."""
    is_recorded: bool = False
    """The server has told of it itself, and recorded it in the turn's trace."""
    unix_ns: int = field(default_factory=clock_ns)
    """When it was noticed, nanoseconds since the Unix epoch."""


class Reply:
    """One reply, from the question to the last sample heard."""

    def __init__(  # noqa: PLR0913 - each is named where there are many
        self,
        brief: Brief,
        servers: Servers,
        connection: ClientConnection,
        encoder: Callable[[], PacketEncoder],
        ledger: CallLedger,
        *,
        idle: IdleCallbacks,
    ) -> None:
        """Prepare; `encoder` makes the codec when there is something to encode, and `idle` lets others go first."""
        self.brief = brief
        self.times = ReplyTimes()
        self.words = SpokenText()
        self.outcome = Outcome.UNSPECIFIED
        """How it ended; set by whoever ended it."""
        self.failures: list[Failure] = []
        """What went wrong, one after the other."""
        self.model = ""
        """Who wrote it, where the LLM server has several; empty: its model."""
        self.text_only = False
        """It could not be spoken, and was shown instead."""
        self.audience = Audience(connection, brief.number, brief.turn)
        """Who hears it."""
        pace = pacing(brief.voice.sample_rate_hz, brief.lead_seconds)
        # Not by name: a ring of the two, with all that was said before, would wait for the next collection.
        self.playout = Playout(brief.number, connection, encoder, pace, weakref.proxy(self))
        self.tools = ToolCalls(brief.number, ledger, self.audience.certain, self.audience.ask, brief.carried)
        self._servers = servers
        self._idle = idle
        self._at_work: set[str] = set()
        """Servers that have begun their part, and so record it."""
        self._deadline = SoundDeadline()

    @property
    def failure(self) -> Failure | None:
        """What went wrong last, and so ended it; None: nothing."""
        return self.failures[-1] if self.failures else None

    def promise(self) -> None:
        """It will be heard: it is released as soon as its listener knows what it answers."""
        self.times.released_ns = clock_ns()

    def release(self) -> None:
        """Let it be heard."""
        if not self.audience.released.is_set():
            self.times.released_ns = clock_ns()
            self.audience.released.set()

    def hold(self) -> None:
        """Let nothing of it be heard until `release`; one that has begun is not stopped by this."""
        self.audience.released.clear()

    async def run(self, audible: Callable[[Reply], Awaitable[None]], wish: Callable[[Wish], Awaitable[None]]) -> None:
        """Make the reply; returns when it has been heard, or has failed as `failure` says.

        `audible` is told when the first packet has gone, and `wish` what is to be done to the session from then on.
        """
        self._audible = audible
        try:
            async with Wishes(wish) as self._wishes, self._text() as text:
                await self._speak_or_write(text)
        except ParleyError as error:
            self._failed("llm", error)
        if self.failure is not None:
            await self._admit(self.failure)
        if self.playout.started:
            await self.playout.until_heard()
        if self.outcome is Outcome.UNSPECIFIED:
            self.outcome = Outcome.FAILED if self.failure else Outcome.COMPLETED

    @asynccontextmanager
    async def _text(self) -> AsyncIterator[Generation | FixedText]:
        self.times.asked_ns = clock_ns()
        if self.brief.chat is None:
            yield FixedText(self.brief.fixed_text)
            return
        waiting = Waiting(self.brief.filler, self.audience.released, self.audience.wait_for)
        async with generation(self._servers.llm, self.brief.chat, self.tools, waiting) as text:
            yield text

    async def _speak_or_write(self, text: Generation | FixedText) -> None:
        """Have the text spoken; what cannot be is shown, so that nobody waits in silence."""
        requests = _Requests(text, self._take, lambda error: self._failed("llm", error, anew=True))
        try:
            await self._speak(requests)
        except (ParleyError, TimeoutError) as error:
            self._failed("tts", error if isinstance(error, ParleyError) else _no_sound())
        failed = self.failure
        if self.playout.started or (failed is not None and failed.hop != "tts"):
            return
        if failed is not None:
            await self.audience.admit(failed.hop, failed.error)
        await self.audience.open()
        self.text_only = True
        await self.audience.catch_up()
        await self._wishes.allow()
        async for _ in requests:
            pass

    async def _speak(self, requests: _Requests) -> None:
        async with self._deadline, self._servers.tts.synthesize(self.brief.voice, requests) as speech:
            async for event in speech:
                # What the listener's pace takes is not the server's time.
                with self._deadline.paused():
                    await self._handle(event)
        self.words.finish(self.playout.sent_samples)

    async def _take(self, piece: Piece, due: list[tts.Request]) -> None:
        """Take a piece of the text; what of it is `due` to the TTS server is told to the listener too."""
        match piece:
            case llm.Delta():
                due.append(piece.text)
                await self._say(piece.text)
            case tts.SpeakNow():
                due.append(piece)
            case llm.Ready() | llm.ToolUse() | llm.Finished():
                await self._note(piece)
            case _:
                if (adjust := await self._wishes.take(piece)) is not None:
                    due.append(adjust)

    async def _note(self, event: llm.Ready | llm.ToolUse | llm.Finished) -> None:
        """Take what the LLM server tells of its own work."""
        match event:
            case llm.Ready():
                self._at_work.add("llm")
            case llm.ToolUse():
                self._wishes.function(event)
                await self.audience.tell(ToolUsed(self.brief.number, event))
            case llm.Finished():
                self.model, self.times.text_end_ns = event.model, clock_ns()
                if not self.times.first_token_ns:
                    raise EngineFailed("the llm server gave an empty reply")
                self._deadline.text_is_complete()

    async def _say(self, text: str) -> None:
        """Note a piece of text and tell it to the listener, once the reply may be heard."""
        if not self.times.first_token_ns:
            self.times.first_token_ns = clock_ns()
            self._deadline.text_has_begun()
        self.words.delta(text)
        await self.audience.tell(ReplyText(self.brief.number, text))

    async def _handle(self, event: tts.Event) -> None:
        number = self.brief.number
        match event:
            case tts.Audio():
                if not self.times.first_audio_ns:
                    self.times.first_audio_ns = clock_ns()
                    self._deadline.sound_has_begun()
                await self.playout.send(event.pcm)
            case tts.WordMark():
                place = (event.first_character, event.end_character, event.first_sample)
                self.words.mark(*place)
                await self.audience.tell(ReplyWord(number, *place))
            case tts.SentenceEnd():
                self.words.sentence_end(event.end_character, event.end_sample)
                self.times.sentence_spoken(clock_ns(), event.first_audio_ms, event.total_ms)
            case tts.Finished():
                await self.playout.finish()
                if self.playout.started:
                    await self.audience.tell(ReplyAudioEnd(number, self.playout.sent_samples))
            case tts.Ready():
                self._at_work.add("tts")

    def _failed(self, hop: str, error: ParleyError, *, anew: bool = False) -> None:
        """Note what has failed; unless `anew`, an error after another one is its consequence."""
        if anew or not self.failures:
            self.failures.append(Failure(hop, error, is_recorded=error.told and hop in self._at_work))

    async def may_begin(self) -> None:
        """Wait until the reply may be heard, and announce it."""
        await self.audience.open()

    async def has_begun(self) -> None:
        """The first packet has gone: what was held back may follow."""
        self.times.first_sent_ns = clock_ns()
        await self._audible(self)
        await self.audience.catch_up()
        await self._wishes.allow()

    async def may_go_on(self, spare_seconds: float) -> None:
        """Let what is urgent go first: the listener has sound for so long."""
        await self._idle.idle(spare_seconds)

    async def _admit(self, failure: Failure) -> None:
        """Tell the listener what failed, so that it is never just silent."""
        if not self.text_only or failure.hop != "tts":
            await self.audience.admit(failure.hop, failure.error)
        if self.playout.started:
            await self.audience.tell(ReplyAudioEnd(self.brief.number, self.playout.sent_samples))


class _Requests:
    """What the TTS server is told, as it is written. A wait for the next that is given up loses nothing."""

    def __init__(
        self,
        text: Generation | FixedText,
        take: Callable[[Piece, list[tts.Request]], Awaitable[None]],
        fail: Callable[[ParleyError], None],
    ) -> None:
        """Have each piece of `text` taken; `fail` is told why there is no more."""
        self._text = text
        self._take = take
        self._fail = fail
        self._due: list[tts.Request] = []
        self._is_complete = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> tts.Request:
        try:
            while not self._due and not self._is_complete:
                piece = await self._text.next()
                self._is_complete = isinstance(piece, llm.Finished)
                await self._take(piece, self._due)
        except ParleyError as error:
            self._fail(error)
            raise
        if not self._due:
            raise StopAsyncIteration
        return self._due.pop(0)


def _no_sound() -> ParleyError:
    return DeadlinePassed("the tts server has made no sound in time")
