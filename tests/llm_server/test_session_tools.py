"""Functions with which a model changes its session: what they do, what they tell, and to whom they are offered."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from llm_server.builtin_tools import answer, builtin_tools
from llm_server.engine import Delta, ToolCall
from llm_server.engines.rules import RulesEngine
from llm_server.session_tools import SessionDesk
from parley import llm
from parley.errors import TooLarge
from parley.llm import CancelReminders, Reminder, SessionAction, SessionState, SetGain, SetReminder, SetSpeed
from tests.llm_server.test_service import HELLO, asked, serving
from tests.llm_server.test_tool_loop import Caller

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
TOOLS = {each.tool.name: each for each in builtin_tools("session")}
EGGS = Reminder("7", "eggs", "Your eggs are done.", 61_000)
BREAD = Reminder("8", "", "Take out the bread.", 600_000)
SESSION = SessionState(1.25, -6.0, (EGGS, BREAD))


class Deaf(Caller):
    """A model to which functions mean nothing."""

    calls_tools = False


def at(hours: float) -> int:
    return round((NOON + timedelta(hours=hours)).timestamp() * 1000)


def call(desk: SessionDesk, name: str, **given: object) -> tuple[str, bool]:
    result = answer(TOOLS[name], ToolCall("1", name, json.dumps(given)), desk)
    return result.content, result.failed


@pytest.mark.parametrize(
    ("name", "given", "told", "action"),
    [
        ("set_speaking_rate", {"rate": 0.8}, "is 0.8, it was 1.25", SetSpeed(0.8)),
        ("set_volume", {"gain_db": 6}, "is +6 dB, it was -6 dB", SetGain(6.0)),
        (
            "set_reminder",
            {"text": "Your tea is ready.", "label": "tea", "in_seconds": 180},
            "in 180 seconds, on Friday at 12:03:00 UTC. It is kept only as long as this conversation lasts.",
            SetReminder("Your tea is ready.", "tea", at_unix_ms=at(0.05)),
        ),
        (
            "set_reminder",
            {"text": "Go.", "at": "19:30", "time_zone": "UTC"},
            "on Friday at 19:30:00",
            SetReminder("Go.", at_unix_ms=at(7.5)),
        ),
        (
            "set_reminder",
            {"text": "Go.", "at": "11:00", "time_zone": "UTC"},
            "on Saturday at 11:00:00",
            SetReminder("Go.", at_unix_ms=at(23)),
        ),
        (
            "set_reminder",
            {"text": "Go.", "at": "19:30", "time_zone": "Europe/Berlin"},
            "on Friday at 19:30:00 CET",
            SetReminder("Go.", at_unix_ms=at(6.5)),
        ),
        (
            "set_reminder",
            {"text": "Go.", "at": "2026-11-20T13:00:00+00:00"},
            "in 3600 seconds",
            SetReminder("Go.", at_unix_ms=at(1)),
        ),
        ("cancel_reminder", {"id": "7"}, "Cancelled: eggs.", CancelReminders(("7",))),
        ("cancel_reminder", {"id": "all"}, "Cancelled: eggs, Take out the bread.", CancelReminders(("7", "8"))),
    ],
)
def test_a_function_tells_what_will_be_and_does_it(
    name: str, given: dict[str, object], told: str, action: SessionAction
) -> None:
    desk = SessionDesk(SESSION, lambda: NOON)
    content, failed = call(desk, name, **given)
    assert not failed
    assert told in content
    assert desk.actions() == (action,)
    assert desk.actions() == ()


@pytest.mark.parametrize(
    ("name", "given", "why"),
    [
        ("set_speaking_rate", {"rate": 5}, "`rate` is 5: a number from 0.5 to 2"),
        ("set_speaking_rate", {"rate": "fast"}, "`rate` is 'fast': a number from 0.5 to 2"),
        ("set_speaking_rate", {"rate": True}, "a number from 0.5 to 2"),
        ("set_speaking_rate", {}, "`rate` is None"),
        ("set_volume", {"gain_db": 40}, "`gain_db` is 40: a number from -20 to 12"),
        ("set_reminder", {"in_seconds": 5}, "`text` is missing"),
        ("set_reminder", {"text": "x" * 501, "in_seconds": 5}, "at most 500 characters"),
        ("set_reminder", {"text": "Go.", "label": "x" * 101, "in_seconds": 5}, "at most 100"),
        ("set_reminder", {"text": "Go."}, "either `in_seconds` or `at`"),
        ("set_reminder", {"text": "Go.", "in_seconds": 5, "at": "13:00"}, "either `in_seconds` or `at`"),
        ("set_reminder", {"text": "Go.", "in_seconds": 100_000}, "a number from 1 to 86400"),
        ("set_reminder", {"text": "Go.", "at": "soon"}, "`at` is 'soon'"),
        ("set_reminder", {"text": "Go.", "at": "25:00"}, "`at` is '25:00'"),
        ("set_reminder", {"text": "Go.", "at": "13:00", "time_zone": "Nowhere/Land"}, "no time zone 'Nowhere/Land'"),
        ("set_reminder", {"text": "Go.", "at": "2026-11-25T13:00:00"}, "not within the next 24 hours"),
        ("set_reminder", {"text": "Go.", "at": "2026-11-20T11:00:00+00:00"}, "not within the next 24 hours"),
        (
            "cancel_reminder",
            {"id": "9"},
            "no reminder '9': `id` is one of 7 (eggs), 8 (Take out the bread.), or \"all\"",
        ),
    ],
)
def test_what_cannot_be_done_is_told_with_the_value_and_the_remedy(
    name: str, given: dict[str, object], why: str
) -> None:
    desk = SessionDesk(SESSION, lambda: NOON)
    content, failed = call(desk, name, **given)
    assert failed
    assert why in content
    assert desk.actions() == ()


def test_a_desk_knows_what_it_has_done() -> None:
    desk = SessionDesk(SessionState(), lambda: NOON)
    assert call(desk, "list_reminders") == ("There are no reminders.", False)
    for number in range(llm.MOST_REMINDERS):
        assert not call(desk, "set_reminder", text="Go.", label=str(number), in_seconds=60)[1]
    assert "cancel one" in call(desk, "set_reminder", text="Go.", in_seconds=60)[0]
    call(desk, "set_volume", gain_db=3)
    assert "it was +3 dB" in call(desk, "set_volume", gain_db=0)[0]
    listed, _ = call(SessionDesk(SESSION), "list_reminders")
    assert listed == (
        "id 7: in 61 seconds, eggs, says: Your eggs are done.\n"
        "id 8: in 600 seconds, without a label, says: Take out the bread."
    )


async def test_a_model_changes_its_session_in_the_middle_of_a_reply() -> None:
    engine = Caller((ToolCall("a", "set_speaking_rate", '{"rate": 0.8}'),), (Delta("Slower, then."),))
    async with serving(engine, builtin_tools=builtin_tools("session")) as house:
        events = await asked(house.client, llm.Config(HELLO, session=SessionState()))
    told = [event for event in events if isinstance(event, llm.ToolUse | SetSpeed | llm.Delta)]
    told = [SetSpeed(round(event.speed, 2)) if isinstance(event, SetSpeed) else event for event in told]
    assert told == [
        llm.ToolUse(
            "set_speaking_rate",
            '{"rate": 0.8}',
            "The speaking rate is 0.8, it was 1. It holds from your next sentence on.",
            failed=False,
        ),
        SetSpeed(0.8),
        llm.Delta("Slower, then."),
    ]
    assert [tool.name for tool in engine.asked[0].tools] == [*TOOLS]


async def test_a_function_that_fails_changes_nothing() -> None:
    engine = Caller((ToolCall("a", "set_volume", '{"gain_db": 99}'),), (Delta("That is too loud."),))
    async with serving(engine, builtin_tools=builtin_tools("session")) as house:
        events = await asked(house.client, llm.Config(HELLO, session=SessionState()))
    assert engine.asked[1].messages[-1].text == "Error: `gain_db` is 99: a number from -20 to 12"
    assert not [event for event in events if isinstance(event, SetGain)]


async def test_a_caller_that_carries_nothing_out_is_offered_nothing() -> None:
    engine = Caller((Delta("Hello."),))
    async with serving(engine, builtin_tools=builtin_tools("session,time")) as house:
        await asked(house.client, llm.Config(HELLO))
    assert [tool.name for tool in engine.asked[0].tools] == ["time"]


async def test_an_engine_that_calls_no_functions_is_offered_none() -> None:
    engine = Deaf((Delta("Hello."),))
    async with serving(engine, builtin_tools=builtin_tools("session")) as house:
        await asked(house.client, llm.Config(HELLO, session=SessionState()))
    assert engine.asked[0].tools == ()


async def test_the_callers_own_function_goes_before_one_of_the_same_name() -> None:
    engine = Caller((Delta("Hello."),))
    own = llm.Tool("set_volume", "Turns the knob of the amplifier.")
    async with serving(engine, builtin_tools=builtin_tools("session")) as house:
        await asked(house.client, llm.Config(HELLO, session=SessionState(), tools=(own,)))
    offered = [tool for tool in engine.asked[0].tools if tool.name == "set_volume"]
    assert [tool.description for tool in offered] == ["Turns the knob of the amplifier."]


def test_functions_of_the_session_can_be_switched_off() -> None:
    assert builtin_tools("none") == ()
    assert [each.tool.name for each in builtin_tools("time")] == ["time"]


async def test_the_rules_change_the_session_before_they_say_so() -> None:
    async with serving(RulesEngine()) as house:
        config = llm.Config((llm.Message(llm.Role.USER, "set a timer for ten minutes"),), session=SessionState())
        events = await asked(house.client, config)
        silent = await asked(house.client, llm.Config((llm.Message(llm.Role.USER, "set a timer for ten minutes"),)))
    assert events[1] == SetReminder("Your ten minute timer is done.", "ten minute timer", after_ms=600_000)
    said = "".join(event.text for event in events if isinstance(event, llm.Delta))
    assert said.startswith("Ten minutes, starting now")
    assert not [event for event in silent if isinstance(event, SetReminder)]


async def test_more_reminders_than_a_session_has_are_refused() -> None:
    many = SessionState(reminders=tuple(Reminder(str(each), "", "Go.", 0) for each in range(33)))
    async with serving(RulesEngine()) as house:
        with pytest.raises(TooLarge, match="33 reminders: at most 32") as caught:
            await asked(house.client, llm.Config(HELLO, session=many))
    assert caught.value.field == "config.session.reminders"
