"""What a reply changes or begins in its session, on a virtual clock: how it is spoken, and what is said later."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import pytest

from edge_gateway.audio.codecs import PcmEncoder
from edge_gateway.idle_callbacks import IdleCallbacks
from edge_gateway.reply.chat_history import ChatHistory
from edge_gateway.reply.reply import Brief, Reply
from edge_gateway.reply.session_actions import SessionActions, Wished
from edge_gateway.reply.tool_calls import CallLedger
from edge_gateway.reply.wishes import Wish
from edge_gateway.session import Session
from edge_gateway.turn import Turn
from parley import llm, tts
from parley.conversation import (
    CancelReply,
    ErrorEvent,
    Outcome,
    ReminderChanged,
    ReminderState,
    ReplyFinished,
    ReplyStarted,
    SessionConfig,
    SpeechChanged,
    SpeechSetting,
    ToolUsed,
    TurnReport,
    TurnTimes,
    UserText,
)
from serving.telemetry import clock_ns
from tests.edge_gateway.scripted_backends import CONFIG, House, ScriptedClient
from tests.virtual_time import on_virtual_time, passed, settled

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

E = TypeVar("E")
TIMER = llm.SetReminder("Your timer is done.", "ten minute timer", after_ms=600_000)
SOON = llm.SetReminder("Your timer is done.", "timer", after_ms=10_000)


class Talk:
    """A session with a client that reports nothing of what it plays, so that what was sent was heard."""

    def __init__(self) -> None:
        self.house, self.client = House(), ScriptedClient()

    @asynccontextmanager
    async def session(self, config: SessionConfig = CONFIG, *, half_closed: bool = False) -> AsyncIterator[None]:
        self.client.ask(replace(config, reports_playback=False))
        self.client.speak(1, level=0)
        async with asyncio.TaskGroup() as tasks:
            session = tasks.create_task(Session(self.client, self.house.backends()).run())
            await settled()
            yield
            assert not session.done()
            self.client.leave(half_closed=half_closed)

    async def asks(self, text: str, *actions: llm.SessionAction) -> None:
        """Type something; the reply brings `actions`, and is heard to its end."""
        self.house.mood.be(actions=actions)
        self.client.ask(UserText(text))
        await passed(8)
        self.house.mood.be(actions=())

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.client.events if isinstance(event, kind)]

    @property
    def reminders(self) -> list[tuple[str, ReminderState, int]]:
        """What became of reminders: name, state and turn."""
        return [(event.id, event.state, event.turn) for event in self.of(ReminderChanged)]

    @property
    def state(self) -> llm.SessionState:
        """What the LLM server was told last."""
        state = self.house.writer.asked[-1].session
        assert state is not None
        return state

    def count(self, name: str, value: str) -> float:
        return self.house.metrics.count(name, value)


def spoken(talk: Talk) -> list[tuple[float | None, float | None]]:
    """How fast and how loud each sentence was spoken."""
    return [(speed, gain_db) for _, speed, gain_db in talk.house.speaker.spoken]


@on_virtual_time
async def test_slower_holds_from_the_very_reply_on_and_for_the_rest_of_the_session() -> None:
    talk = Talk()
    async with talk.session():
        await talk.asks("hello")
        await talk.asks("slower please", llm.SetSpeed(0.8))
        await talk.asks("and louder", llm.SetGain(6.0))
        await talk.asks("go on")
    assert spoken(talk) == [(None, None)] * 2 + [(0.8, None)] * 2 + [(0.8, 6.0)] * 4
    assert talk.of(SpeechChanged) == [
        SpeechChanged(2, 2, SpeechSetting.SPEED, 1.0, 0.8),
        SpeechChanged(3, 3, SpeechSetting.GAIN_DB, 0.0, 6.0),
    ]
    assert (talk.state.speed, talk.state.gain_db) == (0.8, 6.0)
    assert (
        talk.count("parley_session_actions_total", "speed"),
        talk.count("parley_session_actions_total", "gain_db"),
    ) == (1, 1)


@on_virtual_time
async def test_what_is_beyond_the_bounds_is_brought_to_the_nearer_end() -> None:
    talk = Talk()
    async with talk.session():
        await talk.asks("as fast as you can", llm.SetSpeed(9.0), llm.SetGain(-99.0))
    assert [event.now for event in talk.of(SpeechChanged)] == [2.0, -20.0]
    assert spoken(talk) == [(2.0, -20.0)] * 2


@on_virtual_time
async def test_a_configuration_takes_the_speed_back_only_where_it_changes_it() -> None:
    talk = Talk()
    async with talk.session(replace(CONFIG, speed=1.5)):
        await talk.asks("slower", llm.SetSpeed(1.2))
        talk.client.ask(replace(CONFIG, reports_playback=False, speed=1.5, instructions="Be kind."))
        await talk.asks("hello")
        assert talk.state.speed == 1.2
        talk.client.ask(replace(CONFIG, reports_playback=False, speed=1.0))
        await talk.asks("hello")
        assert talk.state.speed == 1.0


@on_virtual_time
async def test_a_reminder_is_said_at_its_time_in_a_turn_of_its_own() -> None:
    talk = Talk()
    async with talk.session():
        await talk.asks("a timer for ten minutes", TIMER)
        [told] = talk.of(ReminderChanged)
        assert (told.state, told.label, told.turn, told.reply) == (ReminderState.SET, "ten minute timer", 1, 1)
        assert 599_000 < told.due_in_ms <= 600_000
        await talk.asks("how long is left")
        [running] = talk.state.reminders
        assert (running.id, running.label) == (told.id, "ten minute timer")
        assert 591_000 < running.due_in_ms < 593_000
        await passed(583)
        assert talk.of(ReplyStarted)[-1].reply == 2
        await passed(4)
    assert talk.reminders == [("1", ReminderState.SET, 1), ("1", ReminderState.DUE, 3)]
    assert talk.of(ReplyStarted)[-1] == ReplyStarted(3, 3)
    assert talk.of(ReplyFinished)[-1] == ReplyFinished(3, Outcome.COMPLETED, "Your timer is done.", "")
    report = talk.of(TurnReport)[-1]
    assert (report.turn, report.transcript, report.mic_to_speaker_ms, report.waterfall) == (3, "", None, ())
    assert not [each for each in talk.of(TurnTimes) if each.turn == 3], "nobody waited for it"
    assert talk.count("parley_reminders_total", "said") == 1


@on_virtual_time
async def test_the_model_knows_of_what_was_said_unasked() -> None:
    talk = Talk()
    async with talk.session():
        await talk.asks("a timer", SOON)
        await passed(10)
        await talk.asks("thank you")
        assert not talk.state.reminders
    messages = talk.house.writer.asked[-1].messages
    assert messages[-2].text.endswith("It has a second sentence, and is not short. Your timer is done.")
    assert messages[-1] == llm.Message(llm.Role.USER, "thank you")


@on_virtual_time
async def test_a_time_of_day_is_reckoned_from_the_clock_on_the_wall() -> None:
    talk = Talk()
    async with talk.session():
        at_unix_ms = clock_ns() // 1_000_000 + 3_600_000
        await talk.asks("wake me", llm.SetReminder("This is your alarm.", "alarm", at_unix_ms=at_unix_ms))
        [told] = talk.of(ReminderChanged)
        assert abs(told.due_in_ms - 3_600_000) < 60_000
        assert abs(told.due_unix_ms - at_unix_ms) < 60_000


@on_virtual_time
async def test_a_reminder_that_is_due_waits_for_the_user_and_comes_right_after_the_reply() -> None:
    talk = Talk()
    async with talk.session():
        recognizer = talk.house.recognizer
        await talk.asks("a timer", SOON)
        for what in ("voice", "speech", "words"):
            recognizer.step(what, "I have a question")
        await passed(10)
        assert talk.reminders[-1][1] is ReminderState.SET, "the user speaks"
        recognizer.step("pause", "")
        recognizer.step("end", "I have a question")
        await passed(1)
        assert talk.of(ReplyStarted)[-1].turn == 2, "the reply comes first"
        await passed(10)
    assert talk.reminders[-1] == ("1", ReminderState.DUE, 3)
    assert [event.outcome for event in talk.of(ReplyFinished)] == [Outcome.COMPLETED] * 3


@on_virtual_time
async def test_a_cough_holds_a_reminder_up_only_for_as_long_as_it_lasts() -> None:
    talk = Talk()
    async with talk.session():
        await talk.asks("a timer", SOON)
        talk.house.recognizer.step("voice", "")
        await passed(5)
        assert [state for _, state, _ in talk.reminders] == [ReminderState.SET]
        talk.house.recognizer.step("discard", "")
        await passed(0.1)
        assert [state for _, state, _ in talk.reminders] == [ReminderState.SET, ReminderState.DUE]


@on_virtual_time
async def test_a_reminder_of_which_nothing_was_heard_since_the_user_spoke_is_said_later() -> None:
    talk = Talk()
    async with talk.session():
        await talk.asks("a timer", SOON)
        talk.house.mood.be(seconds=4.0)
        await passed(2.5)
        talk.house.mood.be(seconds=0.01)
        talk.house.recognizer.say("what time is it")
        await passed(20)
    outcomes = [(report.turn, report.outcome) for report in talk.of(TurnReport)]
    assert outcomes == [
        (1, Outcome.COMPLETED),
        (2, Outcome.MERGED),
        (3, Outcome.COMPLETED),
        (4, Outcome.COMPLETED),
    ]
    assert talk.reminders == [("1", ReminderState.SET, 1), ("1", ReminderState.DUE, 4)]


@on_virtual_time
async def test_a_reminder_can_be_interrupted_and_is_over_then() -> None:
    talk = Talk()
    long = llm.SetReminder(
        "This reminder has very many words, and goes on for quite a while. " * 3, "long", after_ms=9_000
    )
    async with talk.session():
        await talk.asks("remind me", long)
        await passed(2)
        talk.client.ask(CancelReply())
        await passed(20)
    [finished] = [event for event in talk.of(ReplyFinished) if event.reply == 2]
    assert finished.outcome is Outcome.CANCELLED
    assert finished.heard.startswith("This reminder")
    assert finished.unheard
    assert talk.reminders[-1] == ("1", ReminderState.DUE, 2)
    assert talk.count("parley_reminders_total", "said") == 1


@on_virtual_time
async def test_reminders_for_one_moment_are_said_one_after_the_other() -> None:
    talk = Talk()
    async with talk.session():
        await talk.asks("two timers", SOON, replace(SOON, text="Your eggs are done.", label="eggs"))
        await passed(10)
    assert [event.heard for event in talk.of(ReplyFinished)[1:]] == ["Your timer is done.", "Your eggs are done."]
    assert [state for _, state, _ in talk.reminders] == [ReminderState.SET] * 2 + [ReminderState.DUE] * 2


@on_virtual_time
async def test_what_is_cancelled_is_never_said() -> None:
    talk = Talk()
    async with talk.session():
        await talk.asks("two timers", SOON, replace(SOON, label="eggs", after_ms=20_000))
        await talk.asks("cancel the eggs", llm.CancelReminders(("2", "7")))
        await passed(60)
    assert talk.reminders == [
        ("1", ReminderState.SET, 1),
        ("2", ReminderState.SET, 1),
        ("2", ReminderState.CANCELLED, 2),
        ("1", ReminderState.DUE, 3),
    ]
    assert talk.count("parley_reminders_total", "cancelled") == 1


@on_virtual_time
async def test_a_reply_that_is_dropped_unheard_has_set_no_timer() -> None:
    talk = Talk()
    async with talk.session():
        talk.house.mood.be(actions=(SOON,), seconds=1.0)
        for what in ("voice", "speech", "words", "pause", "eager"):
            talk.house.recognizer.step(what, "set a timer")
        await passed(3)
        assert len(talk.house.writer.asked) == 1
        assert not talk.reminders, "it is not certain yet that the turn is over"
        for what in ("resume", "words", "pause", "end"):
            talk.house.recognizer.step(what, "set a timer for ten seconds")
        await passed(8)
    assert len(talk.house.writer.asked) == 2
    assert [state for _, state, _ in talk.reminders] == [ReminderState.SET]


@on_virtual_time
async def test_what_cannot_be_set_is_told_and_leaves_the_rest() -> None:
    talk = Talk()
    many = [replace(TIMER, label=str(number)) for number in range(31)]
    async with talk.session():
        await talk.asks(
            "far", llm.SetReminder("Later.", "far", after_ms=25 * 3_600_000), llm.SetReminder("", "mute", after_ms=1)
        )
        await talk.asks("many", TIMER, *many, replace(TIMER, label="one too many"))
        await talk.asks("and now")
        assert len(talk.state.reminders) == 32
    told = [event.message for event in talk.of(ErrorEvent)]
    assert "25.0 hours: at most 24" in told[0]
    assert "0 characters: 1 to 500" in told[1]
    assert "32 reminders are set" in told[2]
    assert len(told) == 3


@on_virtual_time
async def test_a_session_that_ends_loses_its_reminders_and_says_so_to_who_still_listens() -> None:
    talk = Talk()
    async with talk.session(half_closed=True):
        await talk.asks("a timer", TIMER)
    assert talk.reminders == [("1", ReminderState.SET, 1), ("1", ReminderState.CANCELLED, 0)]
    assert talk.count("parley_reminders_total", "lost") == 1


@on_virtual_time
async def test_who_says_no_more_still_hears_what_is_due() -> None:
    talk = Talk()
    async with talk.session(half_closed=True):
        await talk.asks("a timer", SOON)
        talk.client.ask(UserText("and tell me a story"))
        await passed(1)
        assert [state for _, state, _ in talk.reminders] == [ReminderState.SET]
    assert [state for _, state, _ in talk.reminders] == [ReminderState.SET, ReminderState.DUE]
    assert talk.of(ReplyFinished)[-1].heard == "Your timer is done."


@on_virtual_time
async def test_the_function_by_which_a_model_did_it_is_written_down() -> None:
    talk = Talk()
    use = llm.ToolUse("set_speaking_rate", '{"rate": 0.8}', "The speaking rate is 0.8.", failed=False)

    async with talk.session():
        talk.house.writer.uses = (use,)
        await talk.asks("slower", llm.SetSpeed(0.8))
        talk.house.writer.uses = ()
        await talk.asks("thank you")
    assert talk.of(ToolUsed) == [ToolUsed(1, use)]
    _, asked, call, result, *_ = talk.house.writer.asked[-1].messages
    assert asked.text == "slower"
    assert [(each.name, each.arguments_json) for each in call.tool_calls] == [("set_speaking_rate", '{"rate": 0.8}')]
    assert (result.role, result.text) == (llm.Role.TOOL, "The speaking rate is 0.8.")


@on_virtual_time
async def test_a_reply_that_was_merged_as_its_first_packet_went_has_changed_nothing() -> None:
    talk = Talk()
    metrics, client = talk.house.metrics, talk.client
    actions = SessionActions("session", client, metrics.actions, ChatHistory())
    turn = Turn.written(1, "slower")
    brief = Brief(1, 1, None, tts.Config())
    reply = Reply(brief, talk.house.backends().servers, client, PcmEncoder, CallLedger(), idle=IdleCallbacks())
    turn.end(Outcome.MERGED)
    await actions.carry_out(Wished(turn, reply, Wish(llm.SetSpeed(0.8), 0.0)))
    assert (actions.speed, client.events) == (None, [])


@pytest.mark.parametrize(("wanted", "speed"), [(float("nan"), 0.5), (float("inf"), 2.0), (-1.0, 0.5)])
def test_no_number_makes_speech_impossible(wanted: float, speed: float) -> None:
    assert llm.within(wanted, llm.SPEEDS) == speed
