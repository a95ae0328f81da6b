"""One conversation with one listener: joins their microphone, the decisions of the floor, and the replies.

Tasks in one group: reading from the listener (this one), having them transcribed, deciding, keeping the clocks
together, and at most one reply. Everything that could change who has the floor goes through one queue, so decisions
are made one after the other. Knows nothing of WebSockets, codecs' inner workings or models.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from typing import TYPE_CHECKING, Final, assert_never

from edge_gateway.error_events import error_event
from edge_gateway.input.recognition import Heard, HopFailed, RecognitionEvent
from edge_gateway.latency.client_clock import ClientClock
from edge_gateway.latency.pings import Pings
from edge_gateway.reply.manager import Audible, Over, ReplyManager
from edge_gateway.session_config import check_text
from edge_gateway.setup import Setup
from edge_gateway.spoken_turns import SpokenTurns
from edge_gateway.tasks import end
from edge_gateway.turn import GREETING, Turn
from edge_gateway.turn_taking import events as floor
from edge_gateway.turn_taking.echo import DUCK_DB, MicrophoneLevels
from edge_gateway.turn_taking.floor import Floor, Free, Speaking, Thinking
from parley import asr, llm
from parley.conversation import (
    AssistantActivity,
    AudioPacket,
    CancelReply,
    ClientMark,
    EndUtterance,
    Played,
    Pong,
    Request,
    SessionConfig,
    UserText,
)
from parley.errors import ParleyError
from serving.telemetry import clock_ns

if TYPE_CHECKING:
    from edge_gateway.backends import Backends
    from edge_gateway.connection import ClientConnection

_log = logging.getLogger("parley.gateway")

# News that wait for a decision; more hold up those who bring them.
_INBOX: Final = 1_000
# What was said before a client closed its half is transcribed within this time, or not at all.
_LAST_WORDS_SECONDS: Final = 10.0

_News = RecognitionEvent | Request | Audible | Over


class Session:
    """One conversation."""

    def __init__(self, connection: ClientConnection, backends: Backends) -> None:
        """Prepare; nothing happens before `run`."""
        self.id = secrets.token_hex(8)
        self._connection = connection
        self._metrics = backends.metrics
        self._inbox: asyncio.Queue[_News] = asyncio.Queue(_INBOX)
        self._handled = asyncio.Event()
        self._clock = ClientClock()
        self._pings = Pings(self._clock)
        levels = MicrophoneLevels()
        self._floor = Floor(floor.TurnPolicy(), levels)
        self._replies = ReplyManager(self.id, connection, backends, self._clock, self._inbox.put)
        self._spoken = SpokenTurns(connection, backends.metrics, self._clock)
        self._setup = Setup(self.id, connection, backends, levels, self._inbox.put)
        self._tasks = asyncio.TaskGroup()
        self._early: list[_News] = []
        """What came before the session was ready."""
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
                    if self._connection.half_closed:
                        await self._say_all()
                finally:
                    for task in (conductor, timekeeper, self._setup.task, self._replies.task):
                        if task is not None:
                            await end(task)
        finally:
            self._replies.listener_left(self._spoken.turn)
            _log.info("session ends", extra={"session": self.id})

    async def _read(self) -> None:
        async for request in self._connection.received():
            try:
                if isinstance(request, ParleyError):
                    raise request
                if isinstance(request, AudioPacket):
                    samples = self._setup.recognition.hear(request, clock_ns())
                    self._metrics.received(samples)
                elif isinstance(request, Pong):
                    if self._pings.answered(request, clock_ns() // 1000):
                        await self._replies.clock_is_known()
                else:
                    await self._inbox.put(request)
                    if isinstance(request, SessionConfig):
                        # Sound may come right behind it, and is heard as it says.
                        await self._inbox.join()
            except ParleyError as error:
                await self._connection.send(error_event(error, "gateway"))

    async def _say_all(self) -> None:
        """The client says no more, but listens: let what it said be answered, and the reply be heard."""
        if self._setup.is_configured:
            try:
                async with asyncio.timeout(_LAST_WORDS_SECONDS):
                    await self._setup.recognition.finish()
            except TimeoutError:
                _log.warning("the last words were not transcribed in time", extra={"session": self.id})
        while not (self._inbox.empty() and isinstance(self._floor.state, Free) and self._replies.idle):
            self._handled.clear()
            await self._handled.wait()

    async def _keep_time(self) -> None:
        await self._setup.ready.wait()
        while True:
            await self._connection.send(self._pings.next(clock_ns() // 1000))
            await asyncio.sleep(self._pings.pause_seconds)

    async def _conduct(self) -> None:
        """Decide on the news, one after the other, and on time that has passed."""
        while True:
            wake_at = min((at for at in (self._floor.wake_at, self._replies.settle_at) if at is not None), default=None)
            try:
                async with asyncio.timeout_at(wake_at):
                    news = await self._inbox.get()
            except TimeoutError:
                await self._time_has_passed()
            else:
                await self._answer_errors(news)
                self._inbox.task_done()
            self._handled.set()

    async def _answer_errors(self, news: _News) -> None:
        try:
            await self._handle(news)
        except ParleyError as error:
            await self._connection.send(error_event(error, "gateway"))

    async def _time_has_passed(self) -> None:
        settle_at = self._replies.settle_at
        if settle_at is not None and settle_at <= asyncio.get_running_loop().time():
            await self._replies.settle()
        await self._decide(floor.Tick(), None)

    async def _handle(self, news: _News) -> None:
        match news:
            case SessionConfig():
                await self._setup.configure(self._tasks, news, self._spoken.turn.identity.traceparent)
                self._use_configuration()
            case Heard():
                await self._heard(news)
            case floor.TurnLost():
                await self._decide(news, None)
            case HopFailed():
                await self._asr_failed(news)
            case Audible():
                if self._replies.is_current(news.reply):
                    await self._decide(floor.ReplyAudible(), None)
            case Over():
                if await self._replies.over(news.reply):
                    await self._decide(floor.ReplyEnded(), None)
            case _ if not self._setup.ready.is_set():
                self._setup.check()
                self._early.append(news)
            case _:
                await self._asked(news)

    async def _asked(self, news: Request) -> None:
        match news:
            case UserText():
                text = check_text(news.text)
                await self._decide(UserText(text), self._spoken.typed(text))
            case EndUtterance():
                self._setup.recognition.flush()
            case CancelReply():
                await self._decide(news, None)
            case Played():
                await self._replies.played(news)
            case ClientMark():
                self._spoken.barge_in(news)
                await self._replies.mark(news)
            case llm.ToolResult():
                self._replies.tool_result(news)
            case _:
                pass

    async def _heard(self, heard: Heard) -> None:
        event, spoken = heard.event, self._spoken
        match event:
            case asr.Ready():
                await self._begin(event)
            case asr.EndOfTurn():
                await self._turn_ended(event, heard)
            case asr.TurnDiscarded():
                await spoken.discarded(event)
                await self._decide(event, None)
            case _:
                await spoken.follow(event, heard.packet)
                await self._decide(event, spoken.turn)
                if isinstance(event, asr.Partial) and not self._floor.hears_itself:
                    await spoken.show(event)

    async def _turn_ended(self, event: asr.EndOfTurn, heard: Heard) -> None:
        turn = self._spoken.ended(event, heard.packet)
        actions = await self._decide(event, turn)
        ignored = floor.Ignore() in actions
        self._spoken.settle(event, turn, ignored=ignored)
        self._setup.recognition.next_turn(self._spoken.turn.identity.traceparent, previous_ignored=ignored)

    async def _decide(self, event: floor.Event, turn: Turn | None) -> tuple[floor.Action, ...]:
        """Have the floor decide on an event that is about `turn`, and do what it says."""
        overlap = self._floor.overlap
        said = self._replies.said_since(overlap.began_seconds) if overlap is not None else ""
        actions = self._floor.on(event, asyncio.get_running_loop().time(), said)
        for action in actions:
            await self._act(action, turn)
        await self._show_activity()
        return actions

    async def _act(self, action: floor.Action, turn: Turn | None) -> None:
        replies = self._replies
        match action:
            case floor.Answer():
                assert turn is not None  # noqa: S101 - only a turn is answered
                await replies.answer(self._tasks, turn, action.text, speculative=action.speculative)
            case floor.Release():
                await replies.release(action.text)
            case floor.Drop():
                await replies.drop(action.outcome)
            case floor.Hold():
                replies.hold()
            case floor.Resume():
                replies.resume()
            case floor.Interrupt():
                await replies.interrupt(action.outcome)
            case floor.Duck():
                await replies.duck(DUCK_DB)
            case floor.Restore():
                await replies.duck(0.0)
            case floor.Ignore():
                assert turn is not None  # noqa: S101 - only a turn is ignored
                await self._spoken.ignored(turn)
            case _:
                assert_never(action)

    async def _show_activity(self) -> None:
        match self._floor.state:
            case Thinking():
                activity = asr.Assistant.THINKING
            case Speaking():
                activity = asr.Assistant.SPEAKING
            case _:
                activity = asr.Assistant.IDLE
        if activity is not self._activity:
            self._activity = activity
            self._setup.recognition.assistant(activity)
            await self._connection.send(AssistantActivity(activity))

    async def _begin(self, asr_ready: asr.Ready | None) -> None:
        """The ASR server listens, or cannot be reached: the session begins, and what came before is looked at."""
        if self._setup.ready.is_set():
            return
        if asr_ready is not None:
            # A session that named no language speaks the recogniser's.
            self._replies.briefs.speak_as_heard(asr_ready.language)
        self._use_configuration()
        greeting = await self._setup.begin(asr_ready)
        if greeting:
            self._floor.begin_greeting()
            self._replies.greet(self._tasks, Turn.written(GREETING, greeting), greeting)
            await self._show_activity()
        early, self._early = self._early, []
        for news in early:
            await self._answer_errors(news)

    async def _asr_failed(self, news: HopFailed) -> None:
        if news.refused:
            self._setup.refused(news.in_force)
            self._use_configuration()
        else:
            await self._begin(None)
        await self._connection.send(error_event(news.error, "asr", turn=self._spoken.turn.number))

    def _use_configuration(self) -> None:
        """Let floor and replies go by what was agreed on."""
        if self._setup.config is not None:
            self._replies.briefs.configure(self._setup.config)
            self._floor.policy = self._setup.policy(self._replies.briefs.language)
