"""The window over a long utterance: no word is lost, said twice or taken back, and no look is long."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_server.engine import Word
from asr_server.engines.whisper.window import Limits, Window

RATE_HZ = 16_000
LIMITS = Limits()
VOCABULARY = ("turn", "on", "the", "lamp", "and", "then", "tell", "me", "whether", "it", "rains", "in", "Paris.")


def spoken(gaps: list[float], seconds: float) -> tuple[list[Word], np.ndarray[tuple[int], np.dtype[np.float32]]]:
    """Words of 0.3 s with silences between them, and a sound that has them."""
    audio = np.zeros(round(seconds * RATE_HZ), dtype=np.float32)
    words: list[Word] = []
    at = 0.2
    while at + 0.3 < seconds:
        number = len(words)
        first, end = round(at * RATE_HZ), round((at + 0.3) * RATE_HZ)
        audio[first:end] = 0.3
        words.append(Word(f" {VOCABULARY[number % len(VOCABULARY)]}", first, end))
        at += 0.3 + gaps[number % len(gaps)]
    return words, audio


class Listener:
    """Hears what sounds in a window, the times a little off and the last word half."""

    def __init__(self, words: list[Word], seed: int, errors: float) -> None:
        self.words = words
        self.chance = np.random.default_rng(seed)
        self.errors = errors
        self.seconds: list[float] = []

    def hear(self, first: int, end: int) -> list[Word]:
        self.seconds.append((end - first) / RATE_HZ)
        heard = [word for word in self.words if word.first_sample >= first - 100 and word.first_sample + 3_000 < end]
        return [self._heard(word, last=word is heard[-1] and word.end_sample > end) for word in heard]

    def _heard(self, word: Word, *, last: bool) -> Word:
        wrong = last or self.chance.random() < self.errors
        first, final = (int(each + self.chance.integers(-800, 800)) for each in (word.first_sample, word.end_sample))
        return Word(" er" if wrong else word.text, first, final)


def look(window: Window, listener: Listener, audio: np.ndarray[tuple[int], np.dtype[np.float32]]) -> list[Word]:
    """What an engine does with a window; gives all words of the utterance."""
    while (end := window.overflow(audio)) is not None:
        window.close(window.fresh(listener.hear(window.first_sample, end)), end)
    words = window.fresh(listener.hear(window.first_sample, len(audio)))
    whole = [*window.kept, *words]
    window.look(words, audio)
    return whole


def text(words: list[Word] | tuple[Word, ...]) -> str:
    return "".join(word.text for word in words)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.floats(0.06, 0.9), min_size=3, max_size=12),
    st.integers(0, 1000),
    st.sampled_from([0.4, 1.0, 2.5]),
    st.sampled_from([0.0, 0.1]),
)
def test_in_two_minutes_no_word_is_lost_or_doubled_and_no_look_is_long(
    gaps: list[float], seed: int, step: float, errors: float
) -> None:
    words, audio = spoken(gaps, 120.0)
    window, listener, before = Window(LIMITS), Listener(words, seed, errors), ""
    whole: list[Word] = []
    for end in range(round(step * RATE_HZ), len(audio) + 1, round(step * RATE_HZ)):
        whole = look(window, listener, audio[:end])
        assert text(window.kept).startswith(before), "what was cut off is never taken back"
        before = text(window.kept)
    assert max(listener.seconds) <= LIMITS.longest_seconds
    heard = len([word for word in words if word.first_sample + 3_000 < end])
    assert len(whole) == heard
    if not errors:
        assert text(whole[:-1]) == text(words[: heard - 1])


@pytest.mark.parametrize("seconds", [31.0, 120.0])
def test_a_long_utterance_that_is_new_is_heard_part_by_part(seconds: float) -> None:
    words, audio = spoken([0.1, 0.3], seconds)
    window, listener = Window(LIMITS), Listener(words, 0, 0.0)
    assert text(look(window, listener, audio)[:-1]) == text(words[:-1])
    assert max(listener.seconds) <= LIMITS.longest_seconds
    assert sum(listener.seconds) == pytest.approx(seconds)


def test_a_short_utterance_stays_open_as_a_whole() -> None:
    words, audio = spoken([0.2], LIMITS.slide_seconds)
    window, listener = Window(LIMITS), Listener(words, 0, 0.0)
    for end in range(RATE_HZ, len(audio) + 1, RATE_HZ):
        look(window, listener, audio[:end])
    assert (window.first_sample, window.kept) == (0, ())


def test_a_cut_is_made_after_a_sentence_rather_than_at_a_longer_pause() -> None:
    _, audio = spoken([0.3], 10.0)
    window = Window(LIMITS)
    places = [(" Yes.", 0.2, 0.5), (" I", 0.8, 1.1), (" know", 3.8, 4.1), (" that", 9.2, 9.5)]
    words = [Word(said, round(first * RATE_HZ), round(end * RATE_HZ)) for said, first, end in places]
    window.look(words, audio[: 9 * RATE_HZ])
    window.look(words, audio)
    assert text(window.kept) == " Yes."
    assert 0.5 * RATE_HZ < window.first_sample < 0.8 * RATE_HZ


def test_the_rest_of_a_word_that_was_cut_is_no_word_and_a_word_said_again_is_one() -> None:
    window = Window(LIMITS)
    window.close([Word(" no", 0, 8_000)], 8_000)
    assert window.fresh([Word(" No,", 8_000, 10_000), Word(" thanks", 10_000, 16_000)])[0].text == " thanks"
    again = [Word(" no", 12_000, 17_000)]
    assert window.fresh(again) == again


def test_words_that_cannot_have_been_said_in_the_time_are_not_cut_off() -> None:
    _, audio = spoken([0.3], 10.0)
    window = Window(LIMITS)
    words = [Word(f" word{number}", 0, 1_000) for number in range(20)]
    window.look(words, audio[: 9 * RATE_HZ])
    window.look(words, audio)
    assert window.kept == ()
