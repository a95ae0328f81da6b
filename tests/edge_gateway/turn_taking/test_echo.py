"""An echo goes down with the reply; a user does not. Where that tells nothing, the words of the reply do."""

from __future__ import annotations

import pytest

from edge_gateway.turn_taking.echo import MicrophoneLevels, is_own_voice, is_wish_to_stop
from tests.edge_gateway.turn_taking.hearing import ROOM_DB

SAYING = "Seven times eight is fifty-six. Would you like another one? Say stop when you are tired."


def fell(*levels_db: float, before: tuple[float, ...] = (ROOM_DB,) * 20) -> bool | None:
    """What the levels after a duck show; those `before` it were heard last."""
    levels = MicrophoneLevels()
    for level in before:
        levels.hear(level)
    ducked_at = levels.packets
    for level in levels_db:
        levels.hear(level)
    return levels.fell_with_duck(ducked_at)


def changed(before_db: float, after_db: float, *, packets_after: int = 25, delay: int = 7) -> bool | None:
    """The same of a voice that goes from one level to another `delay` packets after the duck."""
    after = [before_db] * delay + [after_db] * (packets_after - delay)
    return fell(*after, before=(ROOM_DB,) * 20 + (before_db,) * 6)


@pytest.mark.parametrize("after_db", [-56.0, -52.0, -60.0])
def test_a_sound_that_goes_down_about_as_far_as_the_reply_is_its_echo(after_db: float) -> None:
    assert changed(-38.0, after_db) is True


def test_an_echo_may_be_at_a_soft_syllable_when_it_is_judged() -> None:
    assert changed(-30.0, -60.0) is True


@pytest.mark.parametrize("after_db", [-25.0, -31.0, -34.0])
def test_a_user_who_goes_on_is_no_echo(after_db: float) -> None:
    assert changed(-25.0, after_db) is False


def test_what_goes_down_much_further_than_the_reply_is_no_echo() -> None:
    assert changed(-20.0, -55.0) is False


@pytest.mark.parametrize("before_db", [-48.0, -20.0])
def test_of_a_voice_that_fell_silent_nothing_is_known(before_db: float) -> None:
    assert changed(before_db, ROOM_DB) is None


def test_nothing_is_said_before_the_duck_can_have_come_back() -> None:
    assert changed(-38.0, -56.0, packets_after=17) is None
    assert changed(-38.0, -56.0, packets_after=18) is True


def test_nothing_is_said_of_a_voice_that_was_hardly_heard_before_the_duck() -> None:
    assert fell(*[-38.0] * 7, *[-56.0] * 18, before=(ROOM_DB,) * 6) is None


def test_what_was_heard_before_the_duck_is_forgotten_after_three_seconds() -> None:
    assert changed(-38.0, -56.0, packets_after=143) is True
    assert changed(-38.0, -56.0, packets_after=144) is None


def test_a_microphone_may_give_no_sound_at_all() -> None:
    assert changed(-38.0, float("-inf")) is None
    assert changed(float("-inf"), float("-inf")) is None


def test_gaps_between_words_do_not_make_an_echo_of_a_user() -> None:
    gaps = [-25.0 if place // 5 % 2 else -45.0 for place in range(40)]
    assert fell(*gaps, before=(ROOM_DB,) * 20 + (-25.0,) * 6) is False


def test_the_assistants_own_words_coming_back_are_an_echo() -> None:
    assert is_own_voice("times eight is fifty six", SAYING, None)
    assert is_own_voice("would you like a nother", SAYING, None)


@pytest.mark.parametrize("text", ["what is nine times nine", "eight", "what is the one time", ""])
def test_a_question_that_shares_a_few_words_is_no_echo(text: str) -> None:
    assert not is_own_voice(text, SAYING, None)


def test_where_nothing_is_being_said_there_is_no_echo() -> None:
    assert not is_own_voice("anything at all", "", None)


def test_the_words_that_came_last_decide_for_a_user_may_speak_into_an_echo() -> None:
    echo = "seven times eight is fifty six would you like another one"
    assert not is_own_voice(f"{echo} turn it off in the kitchen", SAYING, None)
    assert is_own_voice(f"turn it off in the kitchen {echo}", SAYING, None)


def test_what_the_duck_has_shown_counts_more_than_any_words() -> None:
    assert not is_own_voice("times eight is fifty six", SAYING, fell_with_duck=False)
    assert is_own_voice("what's it what was that", SAYING, fell_with_duck=True)


@pytest.mark.parametrize(
    ("text", "fell_with_duck", "wish"),
    [
        ("wait a moment", None, True),
        ("wait a moment", True, True),
        ("stop when you are", None, False),
        ("stop when you are", True, False),
        ("stop", False, True),
        ("turn it off", False, False),
    ],
)
def test_a_stop_word_is_a_wish_unless_the_reply_may_have_said_it(
    text: str,
    fell_with_duck: bool | None,  # noqa: FBT001 - a column of the table
    wish: bool,  # noqa: FBT001 - likewise
) -> None:
    assert is_wish_to_stop(text, SAYING, "en", fell_with_duck) is wish


def test_a_stop_word_within_a_longer_word_of_the_reply_is_still_a_wish() -> None:
    assert is_wish_to_stop("stop", "It is unstoppable, and no bus stops here.", "en", None)


def test_only_stop_words_of_the_language_are_wishes() -> None:
    assert not is_wish_to_stop("stop", "", "de", fell_with_duck=False)
