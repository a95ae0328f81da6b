"""One conversation with one listener: joins their microphone, the decisions about turns, and the replies.

Tasks in one group: reading from the listener, having them transcribed, deciding, and at most one reply. Everything that
could change who has the floor goes through one inbox, so decisions are made one after the other: those on what the ASR
server says by the task that reads it. Knows nothing of WebSockets, codecs' inner workings or models.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from typing import TYPE_CHECKING

from edge_gateway.error_events import error_event
from edge_gateway.inbox import Inbox
from edge_gateway.input.held_packets import HeldPackets
from edge_gateway.input.recognition import Heard, HopFailed, HopRecovered, RecognitionEvent
from edge_gateway.latency.client_clock import ClientClock
from edge_gateway.latency.pings import Pings
from edge_gateway.reply.manager import Audible, Over, ReplyManager
from edge_gateway.reply.session_actions import Wished
from edge_gateway.session_config import check_text
from edge_gateway.setup import Setup
from edge_gateway.spoken_turns import SpokenTurns
from edge_gateway.tasks import end
from edge_gateway.turn_controller import TurnController
from edge_gateway.turn_taking.events import TurnLost
from parley import asr, llm
from parley._flag import Flag
from parley.conversation import (
    CancelReply,
    ClientMark,
    EndUtterance,
    Played,
    Pong,
    Recovered,
    Request,
    SessionConfig,
    UserText,
)
from parley.errors import ParleyError
from serving.telemetry import clock_ns

if TYPE_CHECKING:
    from edge_gateway.backends import Backends
    from edge_gateway.connection import ClientConnection
    from parley.conversation import AudioPacket

_log = logging.getLogger("parley.gateway")

_News = RecognitionEvent | Request | Audible | Over | Wished


class Session:
    """One conversation."""

    def __init__(self, connection: ClientConnection, backends: Backends) -> None:
        """Prepare; nothing happens before `run`."""
        self.id = secrets.token_hex(8)
        self._connection = connection
        self._metrics = backends.metrics
        self._inbox: Inbox[_News] = Inbox(self._answer_errors, self._wake_at, self._time_has_passed)
        self._clock = ClientClock()
        self._pings = Pings(self._clock)
        self._replies = ReplyManager(self.id, connection, backends, self._clock, self._inbox.post)
        self._spoken = SpokenTurns(connection, backends.metrics, self._clock)
        self.has_talked = self._spoken.have_begun
        """Gives True from the listener's first word on."""
        self._tasks = asyncio.TaskGroup()
        self._setup = Setup(self.id, connection, backends, self._tasks, self._inbox.bring)
        self._turns = TurnController(self._tasks, connection, self._replies, self._spoken, self._setup)
        self._packets = HeldPackets(self._hear, backends.idle)
        self._left = Flag()
        """Nothing more comes from the listener, and all was said."""
        self._early: list[_News] = []
        """What came before the session was ready."""

    async def run(self) -> None:
        """Hold the conversation until the listener leaves or the task is cancelled."""
        _log.info("session begins", extra={"session": self.id, "client": self._connection.address or None})
        try:
            async with self._tasks:
                conductor = self._tasks.create_task(self._inbox.run(), name="conduct")
                # A packet wakes all that wait for it, one inside the other: not the transport's handlers too.
                reader = self._tasks.create_task(self._read_to_the_end(), name="read")
                try:
                    await self._left.wait()
                finally:
                    await end(reader)
                    await end(conductor)
                    for task in (self._setup.task, self._replies.task):
                        if task is not None:
                            await end(task)
        finally:
            self._replies.listener_left(self._spoken.turn)
            self._replies.actions.forget()
            _log.info("session ends", extra={"session": self.id})

    async def _read_to_the_end(self) -> None:
        try:
            await self._read()
            if self._connection.half_closed:
                await self._say_all()
        finally:
            self._left.set()

    async def _read(self) -> None:
        async for request in self._packets.received(self._connection):
            try:
                await self._take(request)
            except ParleyError as error:
                await self._connection.send(error_event(error, "gateway"))

    def _hear(self, packet: AudioPacket, received_ns: int) -> None:
        self._heard_from_client()
        self._metrics.received(self._setup.recognition.hear(packet, received_ns))

    async def _take(self, request: Request | ParleyError) -> None:
        if isinstance(request, ParleyError):
            raise request
        if isinstance(request, Pong):
            if self._pings.answered(request, clock_ns() // 1000):
                await self._replies.clock_is_known()
        else:
            self._heard_from_client()
            await self._inbox.post(request)
            if isinstance(request, SessionConfig):
                # The sound that follows is to be understood as it says.
                await self._inbox.settled()

    def _heard_from_client(self) -> None:
        if self._pings.heard(asyncio.get_running_loop().time()):
            self._inbox.set_timer()

    async def _say_all(self) -> None:
        """The client says no more, but listens: let what it said be answered, and the reply be heard."""
        while self._setup.is_configured and not self._setup.ready.is_set():
            await self._inbox.next_calm()
        if self._setup.is_configured:
            await self._setup.recognition.finish()
        await self._inbox.settled()
        while not self._turns.idle:
            await self._inbox.next_calm()
            await self._inbox.settled()
        await self._replies.actions.session_ends()

    def _wake_at(self) -> float | None:
        """When time that has passed is to be looked at, loop time; None: no need."""
        turns_at, ping_at = self._turns.wake_at, self._pings.at
        return ping_at if turns_at is None else turns_at if ping_at is None else min(turns_at, ping_at)

    async def _time_has_passed(self) -> None:
        now, turns_at = asyncio.get_running_loop().time(), self._turns.wake_at
        if turns_at is not None and turns_at <= now:
            await self._turns.time_has_passed()
        if self._pings.at is not None and self._pings.at <= now:
            await self._connection.send(self._pings.next(clock_ns() // 1000, now))

    async def _answer_errors(self, news: _News) -> None:
        try:
            await self._handle(news)
        except ParleyError as error:
            await self._connection.send(error_event(error, "gateway"))
        await self._setup.tell_packet_time()

    async def _handle(self, news: _News) -> None:
        match news:
            case SessionConfig():
                await self._setup.configure(news, self._spoken.turn.identity.traceparent)
                self._turns.use_configuration()
            case Heard(event=asr.Ready() as ready):
                await self._begin(ready)
            case Heard():
                await self._turns.heard(news)
            case TurnLost():
                await self._turns.turn_lost()
            case HopFailed():
                await self._asr_failed(news)
            case HopRecovered():
                await self._connection.send(Recovered("asr", news.engine))
            case Audible() | Over():
                await self._turns.reply_changed(news)
            case Wished():
                await self._replies.actions.carry_out(news)
            case _ if not self._setup.ready.is_set():
                self._setup.check()
                self._early.append(news)
            case _:
                await self._asked(news)

    async def _asked(self, news: Request) -> None:
        match news:
            case UserText():
                await self._turns.typed(check_text(news.text))
            case EndUtterance():
                self._setup.recognition.flush()
            case CancelReply():
                await self._turns.cancel()
            case Played():
                await self._replies.played(news)
            case ClientMark():
                self._spoken.barge_in(news, await self._replies.mark(news))
            case llm.ToolResult():
                self._replies.tool_result(news)
            case _:
                pass

    async def _begin(self, asr_ready: asr.Ready | None) -> None:
        """The ASR server listens, or cannot be reached: the session begins, and what came before is looked at."""
        if self._setup.ready.is_set():
            return
        if asr_ready is not None:
            # A session that named no language speaks the recogniser's.
            self._replies.briefs.speak_as_heard(asr_ready.language)
        self._turns.use_configuration()
        greeting = await self._setup.begin(asr_ready)
        await self._connection.send(self._pings.first(clock_ns() // 1000, asyncio.get_running_loop().time()))
        if greeting:
            await self._turns.greet(greeting)
        while self._early:
            await self._answer_errors(self._early.pop(0))

    async def _asr_failed(self, news: HopFailed) -> None:
        if news.refused:
            self._setup.refused(news.in_force)
            self._turns.use_configuration()
        else:
            self._spoken.turn.lost_way(news.error)
            await self._begin(None)
        await self._connection.send(error_event(news.error, "asr", turn=self._spoken.turn.number))
