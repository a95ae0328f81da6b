"""What replies have changed or begun in one session: how fast and how loud it is spoken, and its reminders.

Carried out by the session's own task, one after the other. Knows nothing of who has the floor.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, assert_never

from edge_gateway.reply.reminders import Reminders
from parley import llm
from parley.conversation import Outcome, ReminderChanged, ReminderState, SpeechChanged, SpeechSetting
from serving.telemetry import clock_ns

if TYPE_CHECKING:
    from edge_gateway.connection import ClientConnection
    from edge_gateway.latency.action_metrics import ActionMetrics
    from edge_gateway.reply.chat_history import ChatHistory
    from edge_gateway.reply.reminders import Scheduled
    from edge_gateway.reply.reply import Reply
    from edge_gateway.reply.wishes import Wish
    from edge_gateway.turn import Turn
    from parley.conversation import SessionConfig

_log = logging.getLogger("parley.gateway")

_USUAL_SPEED: Final = 1.0


@dataclass(frozen=True, slots=True)
class Wished:
    """A reply, of which something can be heard, is to change its session."""

    turn: Turn
    """The turn that it answers."""
    reply: Reply
    """The reply."""
    wish: Wish
    """What is to be done."""


class SessionActions:
    """Carries out the session actions of one session."""

    def __init__(
        self, session_id: str, connection: ClientConnection, metrics: ActionMetrics, history: ChatHistory
    ) -> None:
        """Tell `connection` of each change, count in `metrics`, and write into `history`."""
        self._session_id = session_id
        self._connection = connection
        self._metrics = metrics
        self._history = history
        self._configured: float | None = None
        self.speed: float | None = None
        """How fast replies are spoken; None: as is usual."""
        self.gain_db = 0.0
        """How much louder than usual, in decibels."""
        self.reminders = Reminders()
        """What there is to be said later."""

    def configure(self, config: SessionConfig) -> None:
        """Take the speed that the client wishes; one that it has not changed leaves what was said in place."""
        if config.speed != self._configured:
            self._configured = self.speed = config.speed

    @property
    def state(self) -> llm.SessionState:
        """What the LLM server is to know."""
        now = _now()
        return llm.SessionState(
            speed=_USUAL_SPEED if self.speed is None else self.speed,
            gain_db=self.gain_db,
            reminders=tuple(
                llm.Reminder(each.id, each.label, each.text, round((each.due_seconds - now) * 1000))
                for each in self.reminders.all
            ),
        )

    async def carry_out(self, wished: Wished) -> None:
        """Do what a reply wishes, write it down, and tell the listener.

        Raises:
            ParleyError: a reminder cannot be set.
        """
        if wished.turn.outcome is Outcome.MERGED:
            # The user went on as its first packet went: the reply to both halves will wish it again.
            return
        turn, wish, reply = wished.turn, wished.wish, wished.reply.brief.number
        action = wish.action
        self._write_down(wished)
        match action:
            case llm.SetSpeed():
                before, self.speed = self.state.speed, llm.within(action.speed, llm.SPEEDS)
                await self._changed(turn, reply, SpeechSetting.SPEED, before, self.speed)
            case llm.SetGain():
                before, self.gain_db = self.gain_db, llm.within(action.gain_db, llm.GAINS_DB)
                await self._changed(turn, reply, SpeechSetting.GAIN_DB, before, self.gain_db)
            case llm.SetReminder():
                added = self.reminders.add(action.text, action.label, _due_seconds(action, wish), _now())
                self._note("set_reminder", turn)
                await self._connection.send(_told(added, ReminderState.SET, turn.number, reply))
            case llm.CancelReminders():
                for gone in filter(None, map(self.reminders.remove, action.ids)):
                    self._note("cancel_reminder", turn)
                    self._metrics.reminder("cancelled")
                    await self._connection.send(_told(gone, ReminderState.CANCELLED, turn.number, reply))
            case _:
                assert_never(action)

    async def due(self, reminder: Scheduled, turn: Turn) -> None:
        """Tell the listener that a reminder is being said, once it can be heard."""
        if turn.reply is not None:
            number = turn.reply.brief.number
            await turn.reply.audience.tell(_told(reminder, ReminderState.DUE, turn.number, number))

    def concluded(self, turn: Turn, outcome: Outcome) -> None:
        """A turn is over; a reminder of which nothing was heard, since the user spoke, is still to come."""
        if turn.reminder is not None and outcome is not Outcome.MERGED and self.reminders.remove(turn.reminder.id):
            self._metrics.reminder("said")

    async def session_ends(self) -> None:
        """Tell a client that still listens which reminders will never be said."""
        for each in self.reminders.all:
            await self._connection.send(_told(each, ReminderState.CANCELLED, 0, 0))

    def forget(self) -> None:
        """Note which reminders were never said: the session is over."""
        unsaid = [self.reminders.remove(each.id) for each in self.reminders.all]
        for _ in unsaid:
            self._metrics.reminder("lost")
        if unsaid:
            _log.info("%d reminders are lost with their session", len(unsaid), extra={"session": self._session_id})

    def _write_down(self, wished: Wished) -> None:
        """Let the model know later by which function it has done this."""
        if wished.wish.use is not None:
            record = wished.reply.tools.note(wished.wish.use)
            if wished.turn.outcome is not Outcome.UNSPECIFIED:
                self._history.calls((record,))

    async def _changed(self, turn: Turn, reply: int, setting: SpeechSetting, before: float, now: float) -> None:
        self._note(setting.name.lower(), turn)
        await self._connection.send(SpeechChanged(turn.number, reply, setting, before, now))

    def _note(self, action: str, turn: Turn) -> None:
        turn.actions.append(action)
        self._metrics.action(action)
        _log.info("turn %d: %s", turn.number, action, extra={"session": self._session_id, "turn": turn.number})


def _told(reminder: Scheduled, state: ReminderState, turn: int, reply: int) -> ReminderChanged:
    """What the listener is told of a reminder."""
    left_ms = max(round((reminder.due_seconds - _now()) * 1000), 0)
    return ReminderChanged(
        id=reminder.id,
        state=state,
        label=reminder.label,
        due_unix_ms=clock_ns() // 1_000_000 + left_ms,
        due_in_ms=left_ms,
        turn=turn,
        reply=reply,
    )


def _due_seconds(action: llm.SetReminder, wish: Wish) -> float:
    """When a reminder is due, loop time."""
    if action.at_unix_ms is not None:
        return _now() + action.at_unix_ms / 1000 - clock_ns() / 1e9
    return wish.at_seconds + (action.after_ms or 0) / 1000


def _now() -> float:
    return asyncio.get_running_loop().time()
