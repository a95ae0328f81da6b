"""What the engine without a model does to its session: timers, alarms, reminders, and how it is spoken."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from llm_server.engine import Message, Role
from llm_server.engines.rules.asked import Answer
from llm_server.engines.rules.skills import answer
from parley.llm import CancelReminders, Reminder, SessionAction, SessionState, SetGain, SetReminder, SetSpeed

EVENING = datetime(2026, 11, 20, 19, 5, tzinfo=UTC)
PASTA = Reminder("1", "ten minute timer", "Your ten minute timer is done.", 185_000)
ALARM = Reminder("2", "alarm", "It is 7:30 in the morning. This is your alarm.", 40_000_000)
BREAD = Reminder("3", "take out the bread", "This is your reminder to take out the bread.", 600_000)
RUNNING = SessionState(reminders=(PASTA, BREAD, ALARM))
LIST = (
    "You have 3. Ten minute timer: three minutes and five seconds left. Reminder to take out the bread: ten minutes "
    "left. Alarm: eleven hours, six minutes and forty seconds left."
)
KNOWN = ", as long as this conversation stays open."


def told(*said: str, session: SessionState | None = SessionState(), now: datetime = EVENING) -> Answer:  # noqa: B008 - frozen
    """What comes of the last of `said`, which alternate between the user and the assistant."""
    messages = tuple(Message(Role.ASSISTANT if place % 2 else Role.USER, each) for place, each in enumerate(said))
    return answer(messages, now, Random(1), session)  # noqa: S311 - a choice of words


def reminder(found: Answer) -> SetReminder:
    [action] = found.actions
    assert isinstance(action, SetReminder)
    return action


@pytest.mark.parametrize(
    ("said", "seconds", "confirmed", "label"),
    [
        ("Set a timer for ten minutes.", 600, "Ten minutes, starting now", "ten minute timer"),
        ("set a timer for 10 minutes please", 600, "Ten minutes, starting now", "ten minute timer"),
        ("timer for 90 seconds", 90, "Ninety seconds, starting now", "ninety second timer"),
        ("Start a five minute timer", 300, "Five minutes, starting now", "five minute timer"),
        ("Set a 5-minute timer.", 300, "Five minutes, starting now", "five minute timer"),
        ("timer one hour", 3600, "One hour, starting now", "one hour timer"),
        ("set a timer for half an hour", 1800, "Thirty minutes, starting now", "thirty minute timer"),
        (
            "a timer for an hour and a half",
            5400,
            "One hour and thirty minutes, starting now",
            "one hour thirty minute timer",
        ),
        ("set a timer for one and a half minutes", 90, "Ninety seconds, starting now", "ninety second timer"),
        ("set a timer for two minutes and thirty seconds", 150, "Two minutes and thirty seconds, starting now", None),
        ("set a timer for quarter of an hour", 900, "Fifteen minutes, starting now", "fifteen minute timer"),
        ("set a pasta timer for eight minutes", 480, "Eight minutes, starting now", "pasta timer"),
        ("can you set a timer for a minute?", 60, "One minute, starting now", "one minute timer"),
        ("set an egg timer for three minutes", 180, "Three minutes, starting now", "egg timer"),
    ],
)
def test_a_timer_is_set_and_confirmed(said: str, seconds: float, confirmed: str, label: str | None) -> None:
    found = told(said)
    action = reminder(found)
    assert found.text == confirmed + (KNOWN if seconds >= 300 else ".")
    assert action.after_ms == seconds * 1000
    assert label is None or action.label == label
    assert action.text == f"Your {action.label} is done."


@pytest.mark.parametrize(
    ("said", "at", "confirmed"),
    [
        ("wake me at half past seven", "2026-11-21 07:30", "at 7:30 in the morning"),
        ("Wake me up at seven.", "2026-11-21 07:00", "at 7 o'clock in the morning"),
        ("alarm at 7:30 pm", "2026-11-20 19:30", "at 7:30 in the evening"),
        ("set an alarm for 7:30 p.m.", "2026-11-20 19:30", "at 7:30 in the evening"),
        ("Set an alarm for seven thirty in the morning.", "2026-11-21 07:30", "at 7:30 in the morning"),
        ("set the alarm for quarter to eight tomorrow", "2026-11-21 07:45", "at 7:45 in the morning"),
        ("wake me tomorrow at 6", "2026-11-21 06:00", "at 6 o'clock in the morning"),
        ("wake me at noon", "2026-11-21 12:00", "at 12 o'clock in the afternoon"),
        ("wake me up at ten past six", "2026-11-21 06:10", "at 6:10 in the morning"),
        ("set an alarm for 21:15", "2026-11-20 21:15", "at 9:15 in the evening"),
        ("wake me at 6 am", "2026-11-21 06:00", "at 6 o'clock in the morning"),
        ("set a 7 am alarm", "2026-11-21 07:00", "at 7 o'clock in the morning"),
        ("set an alarm for midnight", "2026-11-21 00:00", "at 12 o'clock in the morning"),
        ("wake me at half past nine tonight", "2026-11-20 21:30", "at 9:30 in the evening"),
        ("set an alarm for twenty to nine", "2026-11-20 20:40", "at 8:40 in the evening"),
    ],
)
def test_an_alarm_is_set_for_the_next_such_time(said: str, at: str, confirmed: str) -> None:
    found = told(said)
    due = datetime.fromisoformat(at).replace(tzinfo=UTC)
    assert reminder(found).at_unix_ms == due.timestamp() * 1000
    assert found.text == f"I will wake you {confirmed}{KNOWN}"
    assert reminder(found).text == f"It is {confirmed.removeprefix('at ')}. This is your alarm."


def test_who_naps_is_woken_in_the_afternoon() -> None:
    noon = EVENING.replace(hour=13)
    assert told("wake me at half past seven", now=noon).text == f"I will wake you at 7:30 in the morning{KNOWN}"
    assert told("wake me at three", now=noon).text == f"I will wake you at 3 o'clock in the afternoon{KNOWN}"
    assert told("wake me up in 20 minutes", now=noon).text == f"I will wake you in twenty minutes{KNOWN}"


@pytest.mark.parametrize(
    ("said", "after", "confirmed", "spoken"),
    [
        (
            "remind me in 20 minutes to take out the bread",
            timedelta(minutes=20),
            "I will remind you in twenty minutes to take out the bread",
            "This is your reminder to take out the bread.",
        ),
        (
            "Remind me to call my mother in an hour.",
            timedelta(hours=1),
            "I will remind you in one hour to call your mother",
            "This is your reminder to call your mother.",
        ),
        (
            "remind me at 9 pm that the film begins",
            timedelta(hours=1, minutes=55),
            "I will remind you at 9 o'clock in the evening that the film begins",
            "This is your reminder: the film begins.",
        ),
        (
            "Set a reminder for half past nine to lock the door",
            timedelta(hours=2, minutes=25),
            "I will remind you at 9:30 in the evening to lock the door",
            "This is your reminder to lock the door.",
        ),
        (
            "remind me about the laundry at 8 tonight",
            timedelta(minutes=55),
            "I will remind you at 8 o'clock in the evening about the laundry",
            "This is your reminder about the laundry.",
        ),
        (
            "remind me in five minutes",
            timedelta(minutes=5),
            "I will remind you in five minutes",
            "This is your reminder.",
        ),
    ],
)
def test_a_reminder_says_what_was_asked_for(said: str, after: timedelta, confirmed: str, spoken: str) -> None:
    found = told(said)
    action = reminder(found)
    assert found.text == confirmed + KNOWN
    assert action.text == spoken
    due = action.after_ms if action.after_ms is not None else (action.at_unix_ms or 0) - EVENING.timestamp() * 1000
    assert due == after.total_seconds() * 1000


@pytest.mark.parametrize(
    ("said", "asked_back"),
    [
        ("set a timer", "A timer, gladly. For how long?"),
        ("remind me to call Anna", "I will gladly remind you to call Anna. When?"),
        ("set an alarm", "I will gladly wake you. When?"),
        ("set a timer for thirty hours", "That is too long: I can run a timer for up to twenty-four hours."),
        ("remind me on Friday", "That is too far away: I can remind you within the next twenty-four hours."),
        ("remind me in three days to pay", "That is too far away: I can remind you within the next twenty-four hours."),
        (
            "remind me tomorrow at 9 pm to pay",
            "That is too far away: I can remind you within the next twenty-four hours.",
        ),
        ("wake me at 27", "There is no such time as 27. Say it once more, please."),
        ("set a timer for zero minutes", "A timer, gladly. For how long?"),
    ],
)
def test_what_is_unclear_or_out_of_reach_is_asked_back(said: str, asked_back: str) -> None:
    assert told(said) == Answer(asked_back)


def test_the_answer_to_a_question_back_completes_it() -> None:
    found = told("set a timer", "A timer, gladly. For how long?", "ten minutes")
    assert reminder(found).after_ms == 600_000
    found = told("remind me to call Anna", "I will gladly remind you to call Anna. When?", "in half an hour please")
    assert (reminder(found).after_ms, reminder(found).label) == (1_800_000, "call Anna")
    assert not told("set a timer", "A timer, gladly. For how long?", "what is seven times eight").actions


def test_that_it_ends_with_the_conversation_is_said_once_and_where_it_matters() -> None:
    first = told("timer for one hour").text
    assert first == "One hour, starting now" + KNOWN
    assert told("timer for one hour", first, "timer for two hours").text == "Two hours, starting now."
    assert told("timer for four minutes").text == "Four minutes, starting now."


@pytest.mark.parametrize(
    ("said", "session", "answer"),
    [
        (
            "How long is left?",
            SessionState(reminders=(PASTA,)),
            "Three minutes and five seconds left until your ten minute timer.",
        ),
        (
            "how much time is left on the timer",
            SessionState(reminders=(BREAD,)),
            "Ten minutes left until your reminder to take out the bread.",
        ),
        (
            "what timers do I have",
            RUNNING,
            LIST,
        ),
        ("what timers do I have", SessionState(), "There is no timer, no alarm and no reminder at the moment."),
        (
            "when is my alarm",
            SessionState(reminders=(ALARM,)),
            "Eleven hours, six minutes and forty seconds left until your alarm.",
        ),
        ("list my reminders", SessionState(), "There is no timer, no alarm and no reminder at the moment."),
    ],
)
def test_what_runs_is_told(said: str, session: SessionState, answer: str) -> None:
    assert told(said, session=session) == Answer(answer)


@pytest.mark.parametrize(
    ("said", "answer", "ids"),
    [
        ("cancel the timer", "Your ten minute timer is cancelled.", ("1",)),
        ("Stop the alarm.", "Your alarm is cancelled.", ("2",)),
        ("turn off my alarm please", "Your alarm is cancelled.", ("2",)),
        ("forget the reminder", "Your reminder to take out the bread is cancelled.", ("3",)),
        ("cancel the ten minute timer", "Your ten minute timer is cancelled.", ("1",)),
        ("cancel the five minute timer", "There is no such timer at the moment.", ()),
    ],
)
def test_what_runs_is_cancelled(said: str, answer: str, ids: tuple[str, ...]) -> None:
    actions: tuple[SessionAction, ...] = (CancelReminders(ids),) if ids else ()
    assert told(said, session=RUNNING) == Answer(answer, actions)


def test_of_several_one_is_asked_which() -> None:
    egg = Reminder("4", "egg timer", "Your egg timer is done.", 60_000)
    both = SessionState(reminders=(egg, PASTA))
    assert told("cancel the timer", session=both).text == (
        "Which one? You have egg timer, ten minute timer. Or say: cancel all of them."
    )
    assert told("cancel the egg timer", session=both).actions == (CancelReminders(("4",)),)
    assert told("cancel all timers", session=both) == Answer("All 2 are cancelled.", (CancelReminders(("4", "1")),))


def test_there_is_an_end_to_how_many_there_can_be() -> None:
    full = SessionState(reminders=tuple(Reminder(str(each), "timer", "Done.", 1000) for each in range(32)))
    assert told("timer for one minute", session=full) == Answer("There are 32 reminders already. Cancel one first.")


@pytest.mark.parametrize(
    ("said", "session", "action"),
    [
        ("slower", SessionState(), SetSpeed(0.8)),
        ("Slower, please.", SessionState(), SetSpeed(0.8)),
        ("speak slower please", SessionState(), SetSpeed(0.8)),
        # As recognisers write it.
        ("Speaks lower, please.", SessionState(), SetSpeed(0.8)),
        ("can you speak more slowly", SessionState(), SetSpeed(0.8)),
        ("please slow down", SessionState(speed=0.8), SetSpeed(0.64)),
        ("you speak too fast", SessionState(), SetSpeed(0.8)),
        ("talk faster please", SessionState(), SetSpeed(1.25)),
        ("a bit faster", SessionState(), SetSpeed(1.25)),
        ("speed up", SessionState(speed=1.25), SetSpeed(1.56)),
        ("faster", SessionState(speed=1.9), SetSpeed(2.0)),
        ("normal speed", SessionState(speed=0.5), SetSpeed(1.0)),
        ("speak normally again", SessionState(speed=0.5), SetSpeed(1.0)),
        ("louder", SessionState(), SetGain(6.0)),
        ("speak up", SessionState(), SetGain(6.0)),
        ("speak a little louder", SessionState(gain_db=3), SetGain(9.0)),
        ("you are too quiet", SessionState(), SetGain(6.0)),
        ("turn the volume up", SessionState(), SetGain(6.0)),
        ("softer", SessionState(), SetGain(-6.0)),
        ("quieter please", SessionState(), SetGain(-6.0)),
        ("lower the volume", SessionState(gain_db=-18), SetGain(-20.0)),
        ("that is too loud", SessionState(), SetGain(-6.0)),
        ("normal volume", SessionState(gain_db=6), SetGain(0.0)),
    ],
)
def test_speech_gets_slower_faster_louder_and_softer(said: str, session: SessionState, action: SessionAction) -> None:
    assert told(said, session=session).actions == (action,)


@pytest.mark.parametrize(
    ("said", "session", "answer"),
    [
        ("slower", SessionState(speed=0.5), "I cannot speak any slower."),
        ("faster", SessionState(speed=2.0), "I cannot speak any faster."),
        ("louder", SessionState(gain_db=12), "I cannot speak any louder."),
        ("softer", SessionState(gain_db=-20), "I cannot speak any softer."),
    ],
)
def test_what_goes_no_further_is_told(said: str, session: SessionState, answer: str) -> None:
    assert told(said, session=session) == Answer(answer)


@pytest.mark.parametrize(
    "said",
    [
        "how fast is a cheetah",
        "how loud is a jet",
        "what is seven times eight",
        "who invented the timer",
        "the alarm went off",
        "is there a timer on the stove",
        "I drove too",
        "I woke up at seven",
        "what time is it",
    ],
)
def test_what_is_no_wish_changes_nothing(said: str) -> None:
    assert not told(said).actions


@pytest.mark.parametrize("said", ["set a timer for ten minutes", "wake me at seven", "slower", "louder please"])
def test_where_nothing_can_be_carried_out_nothing_is_promised(said: str) -> None:
    found = told(said, session=None)
    assert not found.actions
    assert "cannot" in found.text
