"""The replies of one session, one at a time: begun, released, held, dropped, interrupted, and concluded.

Knows nothing of who decides, nor of how the user is heard.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from edge_gateway.reply.briefs import Briefs
from edge_gateway.reply.chat_history import ChatHistory
from edge_gateway.reply.conclusion import Conclusions
from edge_gateway.reply.reply import Brief, Reply
from edge_gateway.reply.session_actions import SessionActions, Wished
from edge_gateway.reply.shown_times import ShownTimes
from edge_gateway.reply.tool_calls import CallLedger, CallRecord
from edge_gateway.tasks import end
from parley.conversation import Duck, FlushPlayback, Outcome, UserUtterance
from serving.telemetry import enter_trace

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from edge_gateway.audio.codecs import LentEncoder
    from edge_gateway.backends import Backends
    from edge_gateway.connection import ClientConnection
    from edge_gateway.latency.client_clock import ClientClock
    from edge_gateway.turn import Turn
    from parley import llm
    from parley.conversation import ClientMark, Played

# How long an interrupted listener has to say what was really heard.
_SETTLE_SECONDS: Final = 0.3
# What the listener may hear later than the gateway thinks, and what the gateway may not know of yet.
_SAID_BEFORE_SECONDS: Final = 1.0
_SAID_AFTER_SECONDS: Final = 0.3


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


@dataclass(slots=True)
class _Replying:
    """A turn that is being answered."""

    turn: Turn
    reply: Reply
    task: asyncio.Task[None]
    over_seconds: float = 0.0
    """When it ended, loop time; 0: it goes on."""

    def said_since(self, began_seconds: float) -> str:
        """What a listener could hear of it since `began_seconds` (loop time), with a margin on both sides."""
        heard_seconds = max((self.over_seconds or _now()) - began_seconds, 0.0) + _SAID_BEFORE_SECONDS
        rate, position = self.reply.brief.voice.sample_rate_hz, self.reply.playout.position
        first, end = position - round(heard_seconds * rate), position + round(_SAID_AFTER_SECONDS * rate)
        return self.reply.words.said_between(first, end)


class ReplyManager:
    """The replies of one session."""

    def __init__(
        self,
        session_id: str,
        connection: ClientConnection,
        backends: Backends,
        clock: ClientClock,
        notify: Callable[[Audible | Over | Wished], Awaitable[None]],
    ) -> None:
        """Prepare; `notify` is told when a reply becomes audible, wishes something or ends by itself."""
        history = ChatHistory()
        self.actions = SessionActions(session_id, connection, backends.metrics.actions, history)
        """What replies have changed or begun."""
        self.briefs = Briefs(session_id, backends, history, self.actions)
        """What replies are made of."""
        self._connection = connection
        self._backends = backends
        self._clock = clock
        self._notify = notify
        self.conclusions = Conclusions(session_id, connection, backends.metrics, clock, history)
        """How turns end, those that get no reply among them."""
        self._times = ShownTimes(connection, backends.metrics, clock)
        self._ledger = CallLedger()
        self._carried: tuple[CallRecord, ...] = ()
        self._current: _Replying | None = None
        self._settling: _Replying | None = None
        self._heard_last: _Replying | None = None
        self.settle_at: float | None = None
        """When an interrupted reply must be settled, whatever the listener says; loop time."""

    @property
    def task(self) -> asyncio.Task[None] | None:
        """The task of the reply that is being made."""
        return self._current.task if self._current is not None else None

    @property
    def idle(self) -> bool:
        """True when no reply is being made, heard or settled."""
        return self._current is None and self._settling is None

    def is_current(self, reply: Reply) -> bool:
        """True when `reply` is the one being made or heard."""
        return self._current is not None and reply is self._current.reply

    def said_since(self, began_seconds: float) -> str:
        """What a listener could hear of a reply since `began_seconds` (loop time), with a margin on both sides."""
        current = self._current
        said = current if current is not None and current.reply.playout.started else self._heard_last
        return said.said_since(began_seconds) if said is not None else ""

    async def answer(self, tasks: asyncio.TaskGroup, turn: Turn, text: str, *, speculative: bool = False) -> None:
        """Begin the reply to `text`; a speculative one is held back until `release`."""
        if not speculative:
            self.conclusions.expect(turn)
        await self.settle()
        if speculative:
            self._begin(tasks, turn, self.briefs.answer(turn, text, self._carried)).times.head_start = True
            return
        turn.text = text
        self.briefs.history.user(text)
        reply = self._begin(tasks, turn, self.briefs.answer(turn, "", self._carried))
        reply.promise()
        # The reply has its turn of the loop, in which it asks the LLM: nobody waits for the rest of a decision.
        await asyncio.sleep(0)
        await reply.audience.answers(_utterance(turn))

    def say(self, tasks: asyncio.TaskGroup, turn: Turn, text: str) -> None:
        """Say `text`, for which nobody has asked."""
        self.conclusions.expect(turn)
        self._begin(tasks, turn, self.briefs.known(turn, text)).release()

    async def release(self, text: str) -> None:
        """Let the speculative reply be heard: the user has said `text`."""
        if self._current is not None:
            self.conclusions.expect(self._current.turn)
            self._current.turn.text = text
            self.briefs.history.user(text)
            await self._connection.send(_utterance(self._current.turn))
            self._backends.metrics.head_start("used")
            self._current.reply.release()

    def hold(self, *, back: bool) -> None:
        """Let the reply not become audible for now, or after all."""
        if self._current is not None:
            (self._current.reply.hold if back else self._current.reply.release)()

    async def drop(self, outcome: Outcome) -> None:
        """Cancel the reply; nothing of it was heard. Its turn ends as `outcome` says, unless it was speculative."""
        replying = await self._stop()
        if replying is None:
            return
        if not replying.reply.times.released_ns:
            # For the listener it never was, and its turn goes on.
            self._backends.metrics.head_start("wasted")
            replying.turn.unanswer()
            return
        await self._conclude(replying, outcome)

    async def interrupt(self, outcome: Outcome) -> None:
        """Flush and cancel the reply; it is settled when the listener has said what was heard."""
        replying = await self._stop()
        if replying is None:
            return
        replying.reply.outcome = outcome
        await self._connection.send(FlushPlayback(replying.reply.brief.number))
        self._settling = replying
        self.settle_at = _now() + _SETTLE_SECONDS
        if not self.briefs.config.reports_playback or replying.reply.playout.played_final:
            await self.settle()

    async def settle(self) -> None:
        """Conclude an interrupted reply: what the listener has reported by now is what was heard."""
        replying, self._settling, self.settle_at = self._settling, None, None
        if replying is not None:
            await self._conclude(replying, replying.reply.outcome)

    async def over(self, reply: Reply) -> bool:
        """Conclude a reply that ended by itself; False when it had been stopped in the meantime."""
        replying = self._current
        if replying is None or reply is not replying.reply:
            return False
        self._set_over(replying)
        await self._conclude(replying, reply.outcome)
        return True

    def listener_left(self, spoken: Turn) -> None:
        """Conclude what is left, for the record: nobody listens any more. `spoken` is the turn under way."""
        self._settling = self._current = self.settle_at = None
        self.conclusions.listener_left(spoken)

    async def duck(self, decibels: float, decided_sample: int | None = None) -> None:
        """Change the loudness of the reply; `decided_sample` is where a voice was known, if it is for one."""
        if self._current is not None:
            await self._connection.send(Duck(self._current.reply.brief.number, decibels, decided_sample))

    async def played(self, played: Played) -> None:
        """Take the listener's report."""
        replying = self._with_reply(played.reply)
        if replying is None:
            return
        replying.reply.playout.played(played.samples, self._clock.round_trip_us / 1e6, final=played.final)
        if played.final and replying is self._settling:
            await self.settle()

    def tool_result(self, result: llm.ToolResult) -> None:
        """Take what a function gave; one that comes when its reply is over is kept for the next.

        Raises:
            InvalidInput: no function was called by that name.
        """
        record = self._ledger.answer(result)
        if self._current is not None:
            self._current.reply.tools.deliver(record)
        self.briefs.history.late_result(result)

    async def mark(self, mark: ClientMark) -> Turn | None:
        """Take a moment on the listener's clock, of this turn; the last of them lets the listener see the waterfall."""
        replying = self._with_reply(mark.reply)
        if replying is not None:
            await self._times.take(replying.turn, mark)
        return None if replying is None else replying.turn

    async def clock_is_known(self) -> None:
        """The listener's clock can be read from now on: so can what was reported before."""
        if self._current is not None:
            await self._times.settle(self._current.turn)

    def _with_reply(self, number: int) -> _Replying | None:
        known = (self._settling, self._current)
        return next((each for each in known if each is not None and each.reply.brief.number == number), None)

    def _begin(self, tasks: asyncio.TaskGroup, turn: Turn, brief: Brief) -> Reply:
        encoder = self._backends.codecs.encoder_factory(self.briefs.output)
        reply = Reply(brief, self._backends.servers, self._connection, encoder, self._ledger, idle=self._backends.idle)
        turn.answer(reply)
        task = tasks.create_task(self._run(turn, reply, encoder), name=f"reply {brief.number}")
        self._current = _Replying(turn, reply, task)
        return reply

    async def _run(self, turn: Turn, reply: Reply, encoder: LentEncoder) -> None:
        enter_trace(turn.identity)
        with encoder:
            await reply.run(lambda it: self._notify(Audible(it)), lambda wish: self._notify(Wished(turn, reply, wish)))
        self._backends.directory.replied(reply.model, failed=reply.failure is not None)
        await self._notify(Over(reply))

    async def _stop(self) -> _Replying | None:
        """Cancel the reply and wait until it is over, so that no late word of it can reach a new turn."""
        replying = self._current
        if replying is not None:
            self._set_over(replying)
            await end(replying.task)
        return replying

    def _set_over(self, replying: _Replying) -> None:
        self._current = None
        if replying.reply.playout.started:
            replying.over_seconds = _now()
            self._heard_last = replying

    async def _conclude(self, replying: _Replying, outcome: Outcome) -> None:
        # What was called for words that are answered together with the next need not be called for those again.
        self._carried = replying.reply.tools.asked if outcome is Outcome.MERGED else ()
        self.actions.concluded(replying.turn, outcome)
        await self.conclusions.tell(replying.turn, outcome)


def _utterance(turn: Turn) -> UserUtterance:
    return UserUtterance(turn.number, turn.text, turn.typed)


def _now() -> float:
    return asyncio.get_running_loop().time()
