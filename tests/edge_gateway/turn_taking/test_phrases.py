"""What a listener says while the assistant speaks."""

from __future__ import annotations

import pytest

from edge_gateway.turn_taking.phrases import is_backchannel, is_echo, is_stop, normalise, same_words


def test_the_same_speech_transcribed_twice_compares_equal() -> None:
    assert same_words("What's the time?", "what's the   TIME")
    assert not same_words("What is the time", "What is the time in Rome")


@pytest.mark.parametrize(
    "text", ["mhm", "Yeah.", "Oh, really?", "uh-huh", "Okay, great!", "I see.", "I.C.", "I. T..", "All right."]
)
def test_signs_of_listening_are_backchannels(text: str) -> None:
    assert is_backchannel(text)


@pytest.mark.parametrize("text", ["", "yes but why", "Turn it off", "seven", "B.", "I. F.", "All of it"])
def test_what_asks_for_the_floor_is_none(text: str) -> None:
    assert not is_backchannel(text)


@pytest.mark.parametrize("text", ["Stop!", "wait", "Hold on a second", "no, no"])
def test_a_wish_to_stop_is_heard_however_short(text: str) -> None:
    assert is_stop(text)


@pytest.mark.parametrize("text", ["don't stop", "weight", "where do I stop"])
def test_a_word_that_only_contains_one_is_no_wish_to_stop(text: str) -> None:
    assert not is_stop(text)


def test_the_assistants_own_words_coming_back_are_an_echo() -> None:
    saying = "Seven times eight is fifty-six. Would you like another one?"
    assert is_echo("times eight is fifty six", saying)
    assert is_echo("would you like a nother", saying)


def test_a_question_that_shares_a_few_words_is_no_echo() -> None:
    saying = "Seven times eight is fifty-six. Would you like another one?"
    assert not is_echo("what is nine times nine", saying)
    assert not is_echo("eight", saying)
    assert not is_echo("what is the one time", saying)
    assert not is_echo("anything at all", "")


def test_words_are_compared_without_case_and_punctuation() -> None:
    assert normalise("Don't -- STOP, now!") == ("don't", "stop", "now")
