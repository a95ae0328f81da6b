"""Words that nobody said."""

from __future__ import annotations

import pytest

from asr_server.hallucination_filter import clean, is_credible


@pytest.mark.parametrize("text", ["", "♪ ♪", "你好", "...", "one one one one one one one one"])
def test_what_is_no_speech_is_dropped(text: str) -> None:
    assert clean(text, 3.0) == ""


def test_more_words_than_anybody_can_say_are_dropped() -> None:
    assert clean("a quick brown fox jumps over the lazy dog and goes home again", 1.0) == ""


def test_a_loop_of_words_is_dropped_and_emphasis_is_not() -> None:
    assert clean("thank you thank you thank you thank you thank you thank you", 6.0) == ""
    assert clean("no no no, stop", 2.0) == "no no no, stop"


def test_a_sentence_stays_as_it_is() -> None:
    assert clean(" What  time is it? ", 1.5) == "What time is it?"


def test_an_invented_word_needs_voice_to_be_believed() -> None:
    assert not is_credible("You", 0.4, 0.9)
    assert is_credible("You", 0.9, 0.9)
    assert is_credible("stop", 0.3, 0.9)


def test_unsure_and_brief_voice_is_noise() -> None:
    assert not is_credible("yeah we are going", 0.5, 0.52)
    assert is_credible("ask not", 0.74, 0.54)
    assert not is_credible("hello", 0.1, 0.99)
