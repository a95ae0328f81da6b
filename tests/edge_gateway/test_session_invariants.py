"""A real session on a virtual clock, with whatever a user, a client and three servers may do to it, in any order."""

from __future__ import annotations

import asyncio
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from edge_gateway.session import Session
from edge_gateway.turn_taking.events import Ignore
from edge_gateway.turn_taking.floor import Floor, Free
from parley import asr, llm
from parley.conversation import (
    CancelReply,
    EndUtterance,
    Outcome,
    ReminderChanged,
    ReminderState,
    ReplyFinished,
    ReplyStarted,
    Request,
    SessionReady,
    UserText,
    UserUtterance,
)
from tests.edge_gateway.scripted_backends import CONFIG, House, ScriptedClient
from tests.virtual_time import passed, run

if TYPE_CHECKING:
    import pytest

    from edge_gateway.turn_taking.events import Action, Event

STEPS = 50
RUNS = 200
WORDS = st.sampled_from(
    ["what time is it", "and in rome", "mhm", "stop", "this is answer 1", "it has a second sentence", "yes please"]
)
ASR_STEPS = st.tuples(
    st.sampled_from(
        ["voice", "speech", "words", "pause", "eager", "resume", "end", "discard", "say", "say", "voice", "speech"]
    ),
    WORDS,
)
CLIENT_STEPS = st.tuples(
    st.sampled_from(["type", "cancel", "flush", "report", "final", "tool", "configure", "loud", "quiet", "absent"]),
    WORDS,
)
MOODS: dict[str, dict[str, float | bool | tuple[llm.SessionAction, ...]]] = {
    "fast": {
        "seconds": 0.01,
        "llm_fails": False,
        "tts_fails": False,
        "calls": False,
        "silent": False,
        "actions": (),
    },
    "sets reminders": {
        "actions": (
            llm.SetReminder("Your timer is done.", "timer", after_ms=700),
            llm.SetReminder("Your other timer is done.", "other timer", after_ms=3_000),
        )
    },
    "cancels reminders": {"actions": (llm.CancelReminders(("1", "3", "4")),)},
    "speaks otherwise": {"actions": (llm.SetSpeed(0.8), llm.SetGain(6.0))},
    "slow": {"seconds": 0.4},
    "frozen": {"seconds": 5.0},
    "llm fails": {"llm_fails": True},
    "tts fails": {"tts_fails": True},
    "calls": {"calls": True},
    "silent": {"silent": True},
}
MOOD_STEPS = st.tuples(st.sampled_from([*MOODS, "break"]), WORDS)
ENDS_OF_REMINDERS = ("said", "cancelled", "lost")
PAUSES = st.sampled_from([0.0, 0.005, 0.02, 0.1, 0.3, 0.5, 1.2, 4.0])
STEP = st.tuples(st.one_of(ASR_STEPS, ASR_STEPS, CLIENT_STEPS, MOOD_STEPS), PAUSES)


class Run:
    """One conversation."""

    def __init__(self) -> None:
        self.house = House()
        self.client = ScriptedClient()

    async def hold(self, steps: list[tuple[tuple[str, str], float]], *, half_closed: bool) -> None:
        self.client.ask(CONFIG)
        # Who opens their microphone has a stream to the ASR server.
        self.client.speak(1, level=0)
        async with asyncio.TaskGroup() as tasks:
            session = tasks.create_task(Session(self.client, self.house.backends()).run())
            for (what, text), seconds in steps:
                self.do(what, text)
                await passed(seconds)
                assert not session.done()
            await self.be_answered_at_last()
            self.client.leave(half_closed=half_closed)
        assert session.done()

    async def be_answered_at_last(self) -> None:
        """Whatever has happened: who speaks when it is quiet is heard and answered."""
        for mood in ("fast", "discard"):
            self.do(mood, "")
        await passed(40)
        for request in self.client.calls:
            self.client.ask(llm.ToolResult(request.call.id, "done"))
        await passed(40)
        self.house.recognizer.say("these are my last words")
        await passed(40)
        assert self.said()[-1:] == ["these are my last words"]
        assert self.house.metrics.ended[-1][1] is Outcome.COMPLETED

    def do(self, what: str, text: str) -> None:
        """One step."""
        client, calls = self.client, self.client.calls[-1:]
        requests: dict[str, list[Request]] = {
            "type": [UserText(text)],
            "cancel": [CancelReply()],
            "flush": [EndUtterance()],
            "tool": [llm.ToolResult(request.call.id, "done") for request in calls],
            "configure": [CONFIG],
        }
        if what in requests:
            for request in requests[what]:
                client.ask(request)
        elif what in {"report", "final"}:
            client.report(client.last_reply, 0.7, final=what == "final")
        elif what in {"loud", "quiet"}:
            client.speak(25, 12_000 if what == "loud" else 1_500)
        elif what in MOODS:
            self.house.mood.be(**MOODS[what])
        elif what == "say":
            self.house.recognizer.say(text)
        else:
            self.house.recognizer.step(what, text)

    def said(self) -> list[str]:
        return [event.text for event in self.client.events if isinstance(event, UserUtterance)]

    def check(self, *, half_closed: bool) -> None:
        self.check_turns()
        self.check_replies(half_closed=half_closed)
        self.check_reminders()
        for config in self.house.writer.asked:
            check_messages(config.messages)
        assert isinstance(self.client.events[0], SessionReady)

    def check_turns(self) -> None:
        """Every turn that was not discarded has exactly one end."""
        numbers = [event.turn for event in self.client.events if isinstance(event, UserUtterance)]
        assert len(numbers) == len(set(numbers))
        ends = Counter(number for number, _ in self.house.metrics.ended)
        assert max(ends.values(), default=1) == 1
        assert set(numbers) <= set(ends)
        left = {number for number, outcome in self.house.metrics.ended if outcome is Outcome.LISTENER_LEFT}
        assert set(ends) - set(numbers) <= left | self.house.metrics.reminded
        assert not self.house.metrics.reminded & set(numbers), "nobody has asked at the time of a reminder"
        assert Outcome.UNSPECIFIED not in {outcome for _, outcome in self.house.metrics.ended}

    def check_reminders(self) -> None:
        """Every reminder that was set is said once, cancelled, or lost with the session."""
        changes = [event for event in self.client.events if isinstance(event, ReminderChanged)]
        states = {state: Counter(each.id for each in changes if each.state is state) for state in ReminderState}
        known = states[ReminderState.SET]
        assert all(max(counted.values(), default=1) == 1 for counted in states.values())
        assert not states[ReminderState.DUE].keys() - known.keys()
        assert not states[ReminderState.CANCELLED].keys() - known.keys()
        ended = sum(self.house.metrics.count("parley_reminders_total", outcome) for outcome in ENDS_OF_REMINDERS)
        assert ended == len(known)

    def check_replies(self, *, half_closed: bool) -> None:
        """A reply that began is heard of once more, at its end."""
        events = self.client.events
        begun = Counter(event.reply for event in events if isinstance(event, ReplyStarted))
        finished = Counter(event.reply for event in events if isinstance(event, ReplyFinished))
        assert max(begun.values(), default=1) == max(finished.values(), default=1) == 1
        if half_closed:
            assert set(begun) <= set(finished)


def check_messages(messages: tuple[llm.Message, ...]) -> None:
    """Speakers alternate; every result has its call, and every call its result, right behind it."""
    assert messages[0].role is llm.Role.SYSTEM
    words = [message for message in messages if message.role is not llm.Role.TOOL and not message.tool_calls]
    assert all(one.role is not other.role for one, other in pairwise(words))
    assert words[-1].role is llm.Role.USER
    calls = [call.id for message in messages for call in message.tool_calls]
    results = [message.tool_call_id for message in messages if message.role is llm.Role.TOOL]
    assert calls == results
    assert len(calls) == len(set(calls))


def watch_the_floor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hold every decision to what must never happen."""
    decide = Floor.on

    def on(self: Floor, event: Event, now_seconds: float, said: str = "") -> tuple[Action, ...]:
        before = self.overlap
        actions = decide(self, event, now_seconds, said)
        assert Ignore() not in actions or before is not None, "ignored without an overlap that explains it"
        if isinstance(event, asr.EndOfTurn | asr.TurnDiscarded):
            assert self.overlap is None, "a verdict outlives its overlap"
        return actions

    def begin_unasked(self: Floor) -> None:
        assert self.state == Free(), "something unasked is said over somebody"
        begin(self)

    begin = Floor.begin_unasked
    monkeypatch.setattr(Floor, "on", on)
    monkeypatch.setattr(Floor, "begin_unasked", begin_unasked)


@settings(
    max_examples=RUNS,
    deadline=None,
    derandomize=True,
    # A run of fifty steps takes minutes to shrink, and can be read as it is.
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(STEP, min_size=STEPS, max_size=STEPS), ending=st.sampled_from(["half closed", "gone"]))
def test_whatever_happens_every_turn_ends_once_and_the_session_lives(
    monkeypatch: pytest.MonkeyPatch, steps: list[tuple[tuple[str, str], float]], ending: str
) -> None:
    with monkeypatch.context() as patch:
        watch_the_floor(patch)
        conversation = Run()
        run(conversation.hold(steps, half_closed=ending == "half closed"))
        conversation.check(half_closed=ending == "half closed")
