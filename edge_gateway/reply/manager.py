"""The replies of one session, one at a time: begun, released, dropped, interrupted, and written into the history.

Knows nothing of who decides, nor of how the user is heard.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from edge_gateway.latency.timeline import Marks
from edge_gateway.reply.chat_history import History, Role
from edge_gateway.reply.reply import Brief, Reply, Servers
from edge_gateway.session_config import DEFAULT_OUTPUT, spoken
from parley import llm, tts
from parley.conversation import (
    ClientMark,
    Duck,
    FlushPlayback,
    MarkKind,
    Outcome,
    Played,
    ReplyFinished,
    SessionConfig,
    UserUtterance,
)
from parley.errors import InvalidInput
from serving.telemetry import SpanIdentity, clock_ns

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from edge_gateway.audio.codecs import Codecs
    from edge_gateway.connection import Peer
    from edge_gateway.latency.client_clock import ClientClock
    from edge_gateway.latency.turn_metrics import Reports

# How long an interrupted listener has to say what was really heard.
_SETTLE_SECONDS: Final = 0.3
_ROLES: Final = {Role.SYSTEM: llm.Role.SYSTEM, Role.USER: llm.Role.USER, Role.ASSISTANT: llm.Role.ASSISTANT}


@dataclass(frozen=True, slots=True)
class Audible:
    """The first packet of a reply has gone."""

    reply: Reply
    """The reply."""


@dataclass(frozen=True, slots=True)
class Over:
    """A reply ended by itself."""

    reply: Reply
    """The reply."""


@dataclass(frozen=True, slots=True)
class Means:
    """What replies are made with; shared by all sessions."""

    servers: Servers
    """Write and speak."""
    codecs: Codecs
    """Make encoders."""
    reports: Reports
    """Traces and metrics."""
    instructions: str
    """For the model, when a session gives none."""
    lead_ms: int
    """How far ahead of the listener sound is sent."""
    filler: str = ""
    """What is said while a function takes long; may be empty."""


class Replies:
    """The replies of one session."""

    def __init__(
        self,
        session_id: str,
        peer: Peer,
        means: Means,
        clock: ClientClock,
        notify: Callable[[Audible | Over], Awaitable[None]],
    ) -> None:
        """Prepare; `notify` is told when a reply becomes audible or ends by itself."""
        self._session_id = session_id
        self._peer = peer
        self._means = means
        self._clock = clock
        self._notify = notify
        self._config = SessionConfig()
        self.language = ""
        """What replies are spoken in; empty: what the voice speaks."""
        self._history = History()
        self._current: Reply | None = None
        self._task: asyncio.Task[None] | None = None
        self._settling: Reply | None = None
        self._count = 0
        self._transcripts: dict[int, str] = {}
        self._previous: SpanIdentity | None = None
        self.settle_at: float | None = None
        """When an interrupted reply must be settled, whatever the listener says; loop time."""
        self.marks = Marks()
        """Points of the turn that is under way."""
        self.identity = SpanIdentity.new()
        """Root span of the turn that is under way."""

    @property
    def task(self) -> asyncio.Task[None] | None:
        """The task of the reply that is being made."""
        return self._task

    @property
    def being_said(self) -> str:
        """What of a reply may be echoing in the room now; never one of which nothing was heard."""
        return self._current.progress.words.text if self._current is not None and self._current.started else ""

    def configure(self, config: SessionConfig) -> None:
        """Make the replies from now on as `config` says."""
        self._config = config
        self.language = spoken(config.language) or self.language
        self._history.instructions = config.instructions or self._means.instructions

    def speak_as_heard(self, language: str) -> None:
        """Speak in the recogniser's language, where the session named none."""
        self.language = self.language or spoken(language)

    def next_turn(self, marks: Marks | None = None) -> SpanIdentity:
        """Begin the marks and the trace of another turn; gives its root."""
        self.marks = marks or Marks()
        self.identity = SpanIdentity.new()
        return self.identity

    async def answer(self, tasks: asyncio.TaskGroup, turn: int, text: str, *, secret: bool, typed: bool) -> None:
        """Begin the reply to `text`; a secret one is held back until `release`."""
        await self.settle()
        if not secret:
            await self._utterance(turn, text, typed=typed)
        chat = llm.Config(
            messages=self._messages(text if secret else ""),
            traceparent=self.identity.traceparent,
            session_id=self._session_id,
            tools=self._config.tools,
        )
        self._begin(tasks, turn, chat, secret=secret)

    def greet(self, tasks: asyncio.TaskGroup, text: str) -> None:
        """Say `text` before anybody has asked."""
        self.marks = Marks(speech_end_ns=clock_ns())
        self._begin(tasks, 0, None, text)

    async def release(self, text: str) -> None:
        """Let the secret reply be heard: the user has said `text`."""
        if self._current is not None:
            await self._utterance(self._current.brief.turn, text)
            self._means.reports.head_start("used")
            self._current.release()

    async def drop(self) -> None:
        """Cancel the reply; nothing of it was heard."""
        reply = await self._stop()
        if reply is None:
            return
        if reply.progress.marks.released_ns:
            reply.progress.outcome = Outcome.INTERRUPTED
            await self._finish(reply)
            return
        # It was held back to the end: for the listener it never was, and its turn goes on.
        self._means.reports.head_start("wasted")
        self.marks = Marks()

    async def interrupt(self, outcome: Outcome) -> None:
        """Flush and cancel the reply; it is settled when the listener has said what was heard."""
        reply = await self._stop()
        if reply is None:
            return
        reply.progress.outcome = outcome
        await self._peer.send(FlushPlayback(reply.brief.number))
        self._settling = reply
        self.settle_at = asyncio.get_running_loop().time() + _SETTLE_SECONDS
        if not self._config.reports_playback or reply.progress.played_final:
            await self.settle()

    async def settle(self) -> None:
        """Close an interrupted reply: what the listener has reported by now is what was heard."""
        reply, self._settling, self.settle_at = self._settling, None, None
        if reply is not None:
            await self._finish(reply)

    async def over(self, reply: Reply) -> bool:
        """Close a reply that ended by itself; False when it had been stopped in the meantime."""
        if reply is not self._current:
            return False
        self._current = self._task = None
        await self._finish(reply)
        return True

    async def duck(self, decibels: float) -> None:
        """Change the loudness of the reply."""
        if self._current is not None:
            await self._peer.send(Duck(self._current.brief.number, decibels))

    async def played(self, played: Played) -> None:
        """Take the listener's report."""
        reply = self._with_number(played.reply)
        if reply is None:
            return
        reply.played(played.samples, self._clock.round_trip_us / 1e6, final=played.final)
        if played.final and reply is self._settling:
            await self.settle()

    def tool_result(self, result: llm.ToolResult) -> None:
        """Take what a function gave; a result for a reply that is over comes too late, and changes nothing.

        Raises:
            InvalidInput: no function was called by that name.
        """
        if self._current is not None and self._current.desk.take(result):
            return
        number = result.tool_call_id.partition(":")[0]
        if not number.isdecimal() or not 0 < int(number) <= self._count:
            raise InvalidInput(f"no function was called as {result.tool_call_id!r}", field="tool_result.tool_call_id")

    async def mark(self, mark: ClientMark) -> None:
        """Take a moment on the listener's clock; the last of them lets the listener see the waterfall."""
        reply = self._with_number(mark.reply)
        if reply is None:
            return
        at_ns = self._clock.to_gateway_us(mark.unix_us) * 1000
        marks = reply.progress.marks
        match mark.kind:
            case MarkKind.FIRST_PACKET:
                marks.arrived_ns = max(at_ns, marks.first_sent_ns)
            case MarkKind.FIRST_RENDERED:
                marks.rendered_ns = at_ns
            case MarkKind.FIRST_AUDIBLE:
                marks.audible_ns = at_ns
                transcript = self._transcripts.get(reply.brief.turn, "")
                times = self._means.reports.times(reply, transcript, self._clock)
                if times is not None:
                    await self._peer.send(times)
            case _:
                pass

    def is_current(self, reply: Reply) -> bool:
        """True when `reply` is the one being made or heard."""
        return reply is self._current

    def _with_number(self, number: int) -> Reply | None:
        for reply in (self._settling, self._current):
            if reply is not None and reply.brief.number == number:
                return reply
        return None

    def _begin(
        self, tasks: asyncio.TaskGroup, turn: int, chat: llm.Config | None, text: str = "", *, secret: bool = False
    ) -> None:
        output = self._config.output or DEFAULT_OUTPUT
        self._count += 1
        voice = tts.Config(
            voice=self._config.voice,
            language=self.language,
            sample_rate_hz=output.sample_rate_hz,
            speed=self._config.speed,
            traceparent=self.identity.traceparent,
            session_id=self._session_id,
        )
        means = self._means
        brief = Brief(self._count, turn, self.identity, chat, voice, text, means.lead_ms / 1000, means.filler)
        encoders = self._means.codecs.encoder_factory(output)
        reply = Reply(brief, self._means.servers, self._peer, encoders)
        reply.progress.marks = self.marks
        self.marks.head_start = secret
        if not secret:
            reply.release()
        self._current = reply
        self._task = tasks.create_task(self._run(reply), name=f"reply {self._count}")

    async def _run(self, reply: Reply) -> None:
        async def audible() -> None:
            await self._notify(Audible(reply))

        await reply.run(audible)
        await self._notify(Over(reply))

    async def _stop(self) -> Reply | None:
        """Cancel the reply and wait until it is over, so that no late word of it can reach a new turn."""
        reply, task = self._current, self._task
        self._current = self._task = None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        return reply

    async def _utterance(self, turn: int, text: str, *, typed: bool = False) -> None:
        self._transcripts[turn] = text
        self._history.user(text)
        await self._peer.send(UserUtterance(turn, text, typed))

    def _messages(self, more: str) -> tuple[llm.Message, ...]:
        """The history for the LLM, and what the user is probably saying."""
        messages = [llm.Message(_ROLES[m.role], m.text, m.interrupted) for m in self._history.messages()]
        cut_off = [place for place, message in enumerate(messages) if message.interrupted]
        if self._history.unsaid and cut_off:
            messages[cut_off[-1]] = replace(messages[cut_off[-1]], unheard=self._history.unsaid)
        if more and messages and messages[-1].role is llm.Role.USER:
            messages[-1] = replace(messages[-1], text=f"{messages[-1].text} {more}")
        elif more:
            messages.append(llm.Message(llm.Role.USER, more))
        return tuple(messages)

    async def _finish(self, reply: Reply) -> None:
        """Write the history, and tell listener, trace and metrics how the reply ended."""
        progress, brief = reply.progress, reply.brief
        complete = progress.text_only or progress.outcome is Outcome.COMPLETED
        samples = reply.position()
        heard = progress.words.text if complete else progress.words.heard(samples)
        unheard = "" if complete else progress.words.unsaid(samples)
        self._history.reply(heard, interrupted=not complete, unsaid=unheard)
        await self._peer.send(ReplyFinished(brief.number, progress.outcome, heard, unheard))
        report = self._means.reports.turn(
            self._session_id, reply, (self._transcripts.pop(brief.turn, ""), heard), self._clock, self._previous
        )
        self._previous = brief.identity
        await self._peer.send(report)
