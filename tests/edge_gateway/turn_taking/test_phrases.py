"""What a listener says while the assistant speaks."""

from __future__ import annotations

import pytest

from edge_gateway.turn_taking.phrases import is_backchannel, normalise, same_words, stop_phrase


def test_words_are_compared_without_case_and_punctuation() -> None:
    assert normalise("Don't -- STOP, now!") == ("don't", "stop", "now")


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


@pytest.mark.parametrize(
    ("text", "phrase"),
    [("Stop!", "stop"), ("wait", "wait"), ("Hold on a second", "hold on"), ("no, no", "no no"), ("Wait, I", "wait")],
)
def test_a_wish_to_stop_is_heard_however_short(text: str, phrase: str) -> None:
    assert stop_phrase(text) == phrase


@pytest.mark.parametrize("text", ["", "don't stop", "weight", "where do I stop", "stopwatch", "no"])
def test_a_word_that_only_contains_one_is_no_wish_to_stop(text: str) -> None:
    assert not stop_phrase(text)


@pytest.mark.parametrize(("language", "known"), [("en-GB", True), ("de", False)])
def test_phrases_are_those_of_the_language(language: str, known: bool) -> None:  # noqa: FBT001 - a column of the table
    assert is_backchannel("okay", language) is known
    assert bool(stop_phrase("stop", language)) is known
