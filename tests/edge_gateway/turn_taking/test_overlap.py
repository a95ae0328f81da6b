"""A voice over a reply: one value, which knows what may be done about it."""

from __future__ import annotations

import pytest

from edge_gateway.turn_taking.echo import MicrophoneLevels
from edge_gateway.turn_taking.events import TurnPolicy
from edge_gateway.turn_taking.overlap import Overlap, Said
from tests.edge_gateway.turn_taking.hearing import REPLY, ROOM_DB

POLICY = TurnPolicy()


def ducked(*, may_be_echo: bool = False) -> Overlap:
    """A voice over a reply that was ducked for it at 5.0."""
    return Overlap(5.0, may_be_echo).duck(5.0, 0, POLICY, may_be_echo=may_be_echo)


def ducked_in_a_room(before_db: float, after_db: float, *, may_be_echo: bool) -> Overlap:
    """A voice that has gone from one level to another since the duck, and was listened to."""
    levels = MicrophoneLevels()
    for level in (ROOM_DB,) * 20 + (before_db,) * 6:
        levels.hear(level)
    overlap = Overlap(5.0, may_be_echo).duck(5.0, levels.packets, POLICY, may_be_echo=may_be_echo)
    for level in (before_db,) * 7 + (after_db,) * 18:
        levels.hear(level)
    return overlap.listen(levels)


@pytest.mark.parametrize(
    ("text", "voiced_seconds", "takes"),
    [
        ("actually", 0.32, True),
        ("actually", 0.31, False),
        ("turn it", 0.1, True),
        ("mhm", 2.0, False),
        ("oh really", 2.0, False),
        ("times eight is fifty six", 2.0, False),
        ("stop", 0.1, True),
        ("...", 2.0, False),
    ],
)
def test_words_take_the_floor_when_there_are_enough_of_them_and_they_are_the_users(
    text: str,
    voiced_seconds: float,
    takes: bool,  # noqa: FBT001 - a column of the table
) -> None:
    assert ducked().takes_the_floor(Said(text, voiced_seconds, REPLY), POLICY) is takes


def test_how_much_it_takes_is_the_sessions_own_affair() -> None:
    said = Said("turn it", 0.3, REPLY)
    assert not ducked().takes_the_floor(said, TurnPolicy(interrupt_words=3))
    assert ducked().takes_the_floor(said, TurnPolicy(interrupt_words=3, interrupt_voiced_seconds=0.3))
    assert ducked().takes_the_floor(Said("mhm", 0.4, REPLY), TurnPolicy(language="de"))


def test_a_voice_that_falls_with_the_reply_is_the_assistant_whatever_it_says() -> None:
    overlap = ducked_in_a_room(-38.0, -56.0, may_be_echo=True)
    assert overlap.echo is True
    assert overlap.is_assistant(Said("what's it what was that", 1.0, REPLY), POLICY)
    assert not overlap.takes_the_floor(Said("what's it what was that", 1.0, REPLY), POLICY)


def test_a_voice_that_does_not_fall_is_the_users_even_in_the_assistants_words() -> None:
    overlap = ducked_in_a_room(-25.0, -25.0, may_be_echo=True)
    assert overlap.echo is False
    assert not overlap.is_assistant(Said("seven times eight is fifty six", 1.0, REPLY), POLICY)
    assert overlap.takes_the_floor(Said("seven times eight is fifty six", 1.0, REPLY), POLICY)


def test_a_voice_that_came_when_no_echo_could_is_none_however_far_it_falls() -> None:
    assert ducked_in_a_room(-38.0, -56.0, may_be_echo=False).echo is None
    assert ducked_in_a_room(-25.0, -25.0, may_be_echo=False).echo is False


def test_where_the_duck_shows_nothing_the_words_decide() -> None:
    overlap = ducked(may_be_echo=True)
    assert overlap.is_assistant(Said("times eight is fifty six", 1.0, REPLY), POLICY)
    assert not overlap.is_assistant(Said("and times nine please", 1.0, REPLY), POLICY)


def test_words_that_the_reply_was_not_saying_are_no_echo_of_it() -> None:
    assert not ducked().is_assistant(Said("times eight is fifty six", 1.0, "Would you like another one?"), POLICY)


def test_a_stop_word_said_into_an_echo_is_the_users() -> None:
    overlap = ducked_in_a_room(-38.0, -56.0, may_be_echo=True)
    assert not overlap.is_assistant(Said("stop", 0.3, REPLY), POLICY)
    assert overlap.takes_the_floor(Said("stop", 0.3, REPLY), POLICY)
    assert not overlap.takes_the_floor(Said("stop", 0.3, "Say stop when you are tired."), POLICY)


def test_nothing_is_decided_about_a_reply_at_full() -> None:
    assert Overlap(5.0, may_be_echo=True).decide_at(POLICY, 0.0) is None
    assert ducked().restore().decide_at(POLICY, 0.0) is None


def test_a_new_duck_is_a_new_test() -> None:
    overlap = ducked(may_be_echo=True).restore().duck(9.0, 7, POLICY, may_be_echo=True)
    assert not overlap.probed
    assert overlap.decide_at(POLICY, 0.0) == 9.4
