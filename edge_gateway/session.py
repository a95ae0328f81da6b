"""One conversation with one listener: joins their microphone, the decisions of `turns`, and the replies.

Tasks in one group: reading from the listener (this one), listening through the ASR server, deciding, keeping the
clocks together, and at most one reply. Everything that could change who has the floor goes through one queue, so
decisions are made one after the other. Knows nothing of WebSockets, codecs' inner workings or models.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, assert_never

from edge_gateway.input.recognition import Ear, EarEvent, HopFailed, TurnEnded
from edge_gateway.latency.client_clock import ClientClock
from edge_gateway.latency.endpointing_quality import Regret, mark_end
from edge_gateway.latency.timeline import Marks
from edge_gateway.reply.manager import Audible, Means, Over, Replies
from edge_gateway.session_config import (
    DEFAULT_INPUT,
    DEFAULT_OUTPUT,
    agree,
    check_text,
    check_voice,
    error_event,
    policy_of,
)
from edge_gateway.turn_taking import floor as turns
from edge_gateway.turn_taking.echo import DuckProbe
from parley import asr, llm
from parley.conversation import (
    MAX_OPUS_BYTES,
    MAX_TEXT_BYTES,
    AssistantActivity,
    AudioPacket,
    CancelReply,
    ClientMark,
    EndUtterance,
    Outcome,
    Ping,
    Played,
    Pong,
    Request,
    SessionConfig,
    SessionReady,
    UserDiscarded,
    UserPartial,
    UserSpeechStarted,
    UserText,
)
from parley.errors import ParleyError, WrongState
from serving.telemetry import clock_ns

if TYPE_CHECKING:
    from edge_gateway.connection import Peer

_log = logging.getLogger("parley.gateway")

_DUCK_DB: Final = -18.0
_PINGS_AT_START: Final = 5
_PING_FAST_SECONDS: Final = 0.2
_PING_SLOW_SECONDS: Final = 5.0
_PINGS_KEPT: Final = 8
# News that wait for a decision; more hold up those who bring them.
_INBOX: Final = 1_000


@dataclass(frozen=True, slots=True)
class Services:
    """What all sessions share."""

    asr: asr.AsrClient
    """Listens."""
    means: Means
    """What replies are made with."""


_News = EarEvent | Request | Audible | Over


class Session:
    """One conversation."""

    def __init__(self, peer: Peer, services: Services) -> None:
        """Prepare; nothing happens before `run`."""
        self.id = secrets.token_hex(8)
        self._peer = peer
        self._services = services
        self._inbox: asyncio.Queue[_News] = asyncio.Queue(_INBOX)
        self._clock = ClientClock()
        self._turns = turns.Turns(turns.TurnPolicy())
        self._replies = Replies(self.id, peer, services.means, self._clock, self._inbox.put)
        self._tasks = asyncio.TaskGroup()
        self._config: SessionConfig | None = None
        self._ear: Ear | None = None
        self._ear_task: asyncio.Task[None] | None = None
        self._ready = False
        self._turn = 1
        self._probe = DuckProbe(_DUCK_DB)
        self._regret = Regret()
        self._ignored = False
        self._pings: dict[int, int] = {}
        self._activity = asr.Assistant.IDLE

    async def run(self) -> None:
        """Hold the conversation until the listener leaves or the task is cancelled."""
        _log.info("session begins", extra={"session": self.id})
        try:
            async with self._tasks:
                conductor = self._tasks.create_task(self._conduct(), name="conduct")
                timekeeper = self._tasks.create_task(self._keep_time(), name="clock")
                try:
                    await self._read()
                finally:
                    for task in (conductor, timekeeper, self._ear_task, self._replies.task):
                        if task is not None:
                            task.cancel()
        finally:
            _log.info("session ends", extra={"session": self.id})

    async def _read(self) -> None:
        async for request in self._peer.received():
            try:
                if isinstance(request, ParleyError):
                    raise request
                if isinstance(request, AudioPacket):
                    self._hear(request)
                elif isinstance(request, Pong):
                    self._pong(request)
                else:
                    await self._inbox.put(request)
            except ParleyError as error:
                await self._peer.send(error_event(error, "gateway"))

    def _hear(self, packet: AudioPacket) -> None:
        samples = self._configured_ear().hear(packet, clock_ns())
        self._services.means.reports.received(samples)

    def _pong(self, pong: Pong) -> None:
        sent_us = self._pings.pop(pong.id, 0)
        if sent_us:
            self._clock.exchange(sent_us, pong.received_unix_us, pong.sent_unix_us, clock_ns() // 1000)

    async def _keep_time(self) -> None:
        number = 0
        while True:
            await asyncio.sleep(_PING_FAST_SECONDS if number < _PINGS_AT_START else _PING_SLOW_SECONDS)
            if not self._ready:
                continue
            number += 1
            # Only the newest matter; a client that never answers costs nothing.
            self._pings = dict(list(self._pings.items())[-_PINGS_KEPT:])
            self._pings[number] = clock_ns() // 1000
            await self._peer.send(Ping(number, self._pings[number]))

    async def _conduct(self) -> None:
        """Decide on the news, one after the other, and on time that has passed."""
        while True:
            wake_at = min((at for at in (self._turns.wake_at, self._replies.settle_at) if at is not None), default=None)
            try:
                async with asyncio.timeout_at(wake_at):
                    news = await self._inbox.get()
            except TimeoutError:
                await self._time_has_passed()
                continue
            try:
                await self._handle(news)
            except ParleyError as error:
                await self._peer.send(error_event(error, "gateway"))

    async def _time_has_passed(self) -> None:
        settle_at = self._replies.settle_at
        if settle_at is not None and settle_at <= asyncio.get_running_loop().time():
            await self._replies.settle()
        await self._decide(turns.Tick(self._probe.is_echo))

    async def _handle(self, news: _News) -> None:  # noqa: C901, PLR0912 - one branch per kind of news
        match news:
            case SessionConfig():
                await self._configure(news)
            case UserText():
                await self._typed(news)
            case EndUtterance():
                self._configured_ear().tell(asr.Flush())
            case CancelReply():
                await self._cancel()
            case Played():
                await self._replies.played(news)
            case ClientMark():
                await self._replies.mark(news)
            case llm.ToolResult():
                self._replies.tool_result(news)
            case Audible():
                if self._replies.is_current(news.reply):
                    await self._decide(turns.Audible())
            case Over():
                if await self._replies.over(news.reply):
                    await self._decide(turns.ReplyOver())
            case TurnEnded():
                await self._turn_ended(news)
            case HopFailed():
                await self._asr_failed(news)
            case AudioPacket() | Pong():
                pass
            case _:
                await self._heard(news)

    async def _heard(self, event: asr.Event) -> None:
        match event:
            case asr.Ready():
                await self._greet_when_ready(event)
            case asr.VoiceOnset():
                await self._decide(turns.Voice())
            case asr.SpeechStarted():
                self._regret.began(event)
                await self._peer.send(UserSpeechStarted(event.turn))
                await self._decide(turns.Speech(event.turn, event.voiced_ms / 1000))
            case asr.Partial():
                said, fell = self._replies.being_said, self._probe.is_echo
                await self._decide(turns.Words(event.turn, event.text, event.voiced_ms / 1000, said, fell))
                if not self._turns.hears_itself:
                    await self._peer.send(UserPartial(event.turn, event.text, event.stable_characters))
            case asr.EagerEndOfTurn():
                await self._decide(turns.ProbablyDone(event.turn, event.text))
            case asr.TurnResumed():
                await self._decide(turns.WentOn(event.turn))
            case asr.TurnDiscarded():
                self._services.means.reports.discarded(event)
                await self._peer.send(UserDiscarded(event.turn, event.reason))
                await self._decide(turns.Nothing())
            case asr.VoiceStopped() | asr.AudioAck() | asr.EndOfTurn():
                pass

    async def _turn_ended(self, news: TurnEnded) -> None:
        end = news.end
        reports, marks = self._services.means.reports, self._replies.marks
        reports.transcribed(end)
        mark_end(marks, news, self._clock)
        self._ignored = False
        said, fell = self._replies.being_said, self._probe.is_echo
        await self._decide(turns.Done(end.turn, end.text, end.voiced_ms / 1000, said, fell))
        if self._regret.ended(end, marks, ignored=self._ignored):
            reports.too_early()
        if not self._ignored:
            reports.waited(marks)
        self._turn = end.turn + 1
        identity = self._replies.next_turn()
        self._configured_ear().tell(asr.TurnContext(self._turn, identity.traceparent, self._ignored))

    async def _typed(self, request: UserText) -> None:
        ear, text = self._configured_ear(), check_text(request.text)
        heard, identity = self._replies.marks, self._replies.identity
        self._replies.next_turn(Marks(speech_end_ns=clock_ns()))
        await self._decide(turns.Done(self._turn, text, typed=True))
        # The trace that the ASR server was given stays with the next spoken turn.
        self._replies.marks, self._replies.identity = heard, identity
        ear.tell(asr.TurnContext(self._turn, identity.traceparent))

    async def _cancel(self) -> None:
        speaking = isinstance(self._turns.state, turns.Speaking)
        actions = self._turns.on(turns.Cancel(), asyncio.get_running_loop().time())
        if speaking:
            await self._replies.interrupt(Outcome.CANCELLED)
        elif actions:
            await self._replies.drop()
        await self._show_activity()

    async def _decide(self, event: turns.Event) -> None:
        for action in self._turns.on(event, asyncio.get_running_loop().time()):
            await self._act(action)
        await self._show_activity()

    async def _act(self, action: turns.Action) -> None:
        replies = self._replies
        match action:
            case turns.Answer():
                await replies.answer(self._tasks, action.turn, action.text, secret=action.secret, typed=action.typed)
            case turns.Release():
                await replies.release(action.text)
            case turns.Drop():
                await replies.drop()
            case turns.Interrupt():
                self._probe.restored()
                await replies.interrupt(Outcome.INTERRUPTED)
            case turns.Duck():
                self._probe.ducked()
                await replies.duck(_DUCK_DB)
            case turns.Restore():
                self._probe.restored()
                await replies.duck(0.0)
            case turns.Ignore():
                self._ignored = True
                await self._peer.send(UserDiscarded(action.turn, asr.DiscardReason.NOISE))
            case _:
                assert_never(action)

    async def _show_activity(self) -> None:
        match self._turns.state:
            case turns.Thinking():
                activity = asr.Assistant.THINKING
            case turns.Speaking():
                activity = asr.Assistant.SPEAKING
            case _:
                activity = asr.Assistant.IDLE
        if activity is self._activity:
            return
        self._activity = activity
        self._configured_ear().tell(activity)
        await self._peer.send(AssistantActivity(activity))

    async def _configure(self, given: SessionConfig) -> None:
        config = agree(given, self._config)
        if config.voice:
            check_voice(config.voice, await self._services.means.servers.tts.voices())
        self._config = config
        audio_in, audio_out = config.input or DEFAULT_INPUT, config.output or DEFAULT_OUTPUT
        self._peer.encoding, self._peer.reply_encoding = audio_in.encoding, audio_out.encoding
        self._replies.configure(config)
        self._turns.policy = policy_of(config, self._replies.language)
        listening = asr.Config(
            language=config.language,
            hints=config.hints,
            endpointing=config.endpointing or asr.Endpointing(),
            session_id=self.id,
            traceparent=self._replies.identity.traceparent,
        )
        if self._ear is not None:
            self._ear.reconfigure(listening)
            return
        decoders = self._services.means.codecs.decoder_factory(audio_in)
        self._ear = Ear(self._services.asr, listening, decoders, self._probe, self._inbox.put)
        self._ear_task = self._tasks.create_task(self._ear.run(), name="ear")

    async def _greet_when_ready(self, asr_ready: asr.Ready) -> None:
        config = self._config
        if self._ready or config is None:
            return
        self._ready = True
        # A session that named no language speaks the recogniser's.
        self._replies.speak_as_heard(asr_ready.language)
        self._turns.policy = policy_of(config, self._replies.language)
        await self._peer.send(
            SessionReady(
                session_id=self.id,
                input=config.input or DEFAULT_INPUT,
                output=config.output or DEFAULT_OUTPUT,
                voice=config.voice,
                language=asr_ready.language,
                lead_ms=self._services.means.lead_ms,
                max_packet_bytes=MAX_OPUS_BYTES,
                max_text_bytes=MAX_TEXT_BYTES,
                engines=(f"{asr_ready.engine} {asr_ready.model}".strip(),),
            )
        )
        if config.greeting:
            identity = self._replies.identity
            self._turns.begin_greeting()
            self._replies.next_turn()
            self._replies.greet(self._tasks, config.greeting)
            # The trace that the ASR server was given stays with the first spoken turn.
            self._replies.marks, self._replies.identity = Marks(), identity
            await self._show_activity()

    def _configured_ear(self) -> Ear:
        if self._ear is None:
            raise WrongState("send configure first", field="configure")
        return self._ear

    async def _asr_failed(self, news: HopFailed) -> None:
        await self._peer.send(error_event(news.error, "asr", turn=self._turn))
        if news.final:
            # What was asked for is not to be had: the next configure begins anew.
            self._ear, self._ear_task, self._config = None, None, None
