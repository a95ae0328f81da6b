"""Has the floor decide on what happens, and does what it says: with replies, with the turns, with the listener.

Called by one task, one event after the other. Knows nothing of how a session is set up, or of where events come from.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, assert_never

from edge_gateway.reply.manager import Audible
from edge_gateway.turn import GREETING, Turn
from edge_gateway.turn_taking import events as floor
from edge_gateway.turn_taking.echo import DUCK_DB
from edge_gateway.turn_taking.floor import Floor, Free, Speaking, Thinking
from edge_gateway.turn_taking.voice import UserVoice
from parley import asr
from parley.conversation import AssistantActivity, CancelReply, UserText
from parley.errors import EngineFailed
from serving.telemetry import SpanIdentity

if TYPE_CHECKING:
    from edge_gateway.connection import ClientConnection
    from edge_gateway.input.recognition import Heard
    from edge_gateway.reply.manager import Over, ReplyManager
    from edge_gateway.reply.reminders import Scheduled
    from edge_gateway.setup import Setup
    from edge_gateway.spoken_turns import SpokenTurns


class TurnController:
    """The turns of one session."""

    def __init__(
        self,
        tasks: asyncio.TaskGroup,
        connection: ClientConnection,
        replies: ReplyManager,
        spoken: SpokenTurns,
        setup: Setup,
    ) -> None:
        """Begin with a free floor; replies are made in `tasks`."""
        self._tasks = tasks
        self._connection = connection
        self._replies = replies
        self._spoken = spoken
        self._setup = setup
        self._floor = Floor(floor.TurnPolicy(), setup.levels)
        self._voice = UserVoice()
        self._activity = asr.Assistant.IDLE

    @property
    def wake_at(self) -> float | None:
        """When time that has passed is to be looked at, loop time; None: no need."""
        remind_at = self._replies.actions.reminders.next_at if self._is_quiet else None
        times = (self._floor.wake_at, self._replies.settle_at, remind_at)
        return min((at for at in times if at is not None), default=None)

    @property
    def idle(self) -> bool:
        """True when nobody replies, nothing is left to be told of a reply, and no reminder waits to be said."""
        waits = self._replies.actions.reminders.due(asyncio.get_running_loop().time()) is not None
        return isinstance(self._floor.state, Free) and self._replies.idle and not waits

    @property
    def _is_quiet(self) -> bool:
        """True when something can be said that nobody has asked for, and talks over nobody."""
        return isinstance(self._floor.state, Free) and self._replies.idle and not self._voice.heard

    async def greet(self, greeting: str) -> None:
        """Speak first."""
        self._floor.begin_unasked()
        self._replies.say(self._tasks, Turn.written(GREETING, greeting), greeting)
        await self._show_activity()

    async def heard(self, heard: Heard) -> None:
        """Take what the ASR server says."""
        event, spoken = heard.event, self._spoken
        match event:
            case asr.EndOfTurn():
                turn = spoken.ended(event, heard.packet)
                ignored = floor.Ignore() in await self.decide(event, turn)
                spoken.settle(event, turn, ignored=ignored)
                self._setup.recognition.next_turn(spoken.turn.identity.traceparent, previous_ignored=ignored)
            case asr.TurnDiscarded():
                gone = await spoken.discarded(event)
                await self.decide(event)
                self._came_to_nothing(gone, event)
            case asr.VoiceOnset():
                # Whoever speaks over a reply waits to hear it duck.
                await self.decide(event)
                await spoken.follow(event, heard.packet)
            case _:
                await spoken.follow(event, heard.packet)
                await self.decide(event, spoken.turn)
                if isinstance(event, asr.Partial) and not self._floor.hears_itself:
                    await spoken.show(event)

    async def typed(self, text: str) -> None:
        """The user typed."""
        await self.decide(UserText(text), self._spoken.typed(text))

    async def cancel(self) -> None:
        """The user wants the reply to stop."""
        await self.decide(CancelReply())

    async def reply_changed(self, news: Audible | Over) -> None:
        """A reply has become audible, or has ended by itself."""
        if isinstance(news, Audible):
            if self._replies.is_current(news.reply):
                await self.decide(floor.ReplyAudible())
        elif await self._replies.over(news.reply):
            await self.decide(floor.ReplyEnded())

    async def time_has_passed(self) -> None:
        """Look at what was to be looked at by now."""
        now, settle_at = asyncio.get_running_loop().time(), self._replies.settle_at
        if settle_at is not None and settle_at <= now:
            await self._replies.settle()
        await self.decide(floor.Tick())
        reminder = self._replies.actions.reminders.due(now)
        if reminder is not None and self._is_quiet:
            await self._remind(reminder)

    async def _remind(self, reminder: Scheduled) -> None:
        self._floor.begin_unasked()
        turn = self._spoken.reminding(reminder)
        self._replies.say(self._tasks, turn, reminder.text)
        await self._replies.actions.due(reminder, turn)
        await self._show_activity()

    async def turn_lost(self) -> None:
        """The turn under way went with the ASR server; what is kept of it will be heard again."""
        await self.decide(floor.TurnLost())

    def use_configuration(self) -> None:
        """Let floor and replies go by what was agreed on."""
        if self._setup.config is not None:
            self._replies.briefs.configure(self._setup.config)
            self._floor.policy = self._setup.policy(self._replies.briefs.language)

    async def decide(self, event: floor.Event, turn: Turn | None = None) -> tuple[floor.Action, ...]:
        """Have the floor decide on an event that is about `turn`, and do what it says."""
        self._voice.follow(event)
        overlap = self._floor.overlap
        said = self._replies.said_since(overlap.began_seconds) if overlap is not None else ""
        actions = self._floor.on(event, asyncio.get_running_loop().time(), said)
        for action in actions:
            await self._act(action, event, turn)
        await self._show_activity()
        return actions

    async def _act(self, action: floor.Action, event: floor.Event, turn: Turn | None) -> None:
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
                replies.hold(back=True)
            case floor.Resume():
                replies.hold(back=False)
            case floor.Interrupt():
                await replies.interrupt(action.outcome)
            case floor.Duck():
                await replies.duck(DUCK_DB, event.decided_sample if isinstance(event, asr.VoiceOnset) else None)
            case floor.Restore():
                await replies.duck(0.0)
            case floor.Ignore():
                assert turn is not None  # noqa: S101 - only a turn is ignored
                await self._spoken.ignored(turn)
                replies.conclusions.unanswered(turn, "ignored")
            case _:
                assert_never(action)

    def _came_to_nothing(self, gone: Turn, event: asr.TurnDiscarded) -> None:
        """Close the trace of a turn that was none, or lost; one of which nobody has recorded anything is the next's."""
        if event.reason is asr.DiscardReason.ENGINE_FAILED:
            lost = gone.lost_ways[-1].error if gone.lost_ways else EngineFailed("what was said is lost")
            self._replies.conclusions.unanswered(gone, "failed", lost)
        elif gone.head_start_dropped or gone.lost_ways:
            self._replies.conclusions.unanswered(gone, "discarded")
        else:
            return
        self._spoken.turn.identity = SpanIdentity.new()
        self._setup.recognition.next_turn(self._spoken.turn.identity.traceparent)

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
