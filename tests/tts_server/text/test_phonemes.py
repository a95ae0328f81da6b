"""Words are found among the phonemes of a text."""

from __future__ import annotations

from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tts_server.text.phonemes import GAP, place_words


def found(alone: list[str], whole: str) -> list[str]:
    """What of `whole` belongs to each word."""
    places = [*place_words([list(word) for word in alone], list(whole)), len(whole)]
    return [whole[place:end] for place, end in pairwise(places)]


def test_each_word_begins_at_its_first_phoneme() -> None:
    assert found(["həlˈoʊ", "wˈɜːld."], "həlˈoʊ wˈɜːld.") == ["həlˈoʊ ", "wˈɜːld."]


def test_words_that_are_joined_are_told_apart() -> None:
    assert found(["tˈuː", "bˈiː", "ˈɑːnɪst"], "təbiʲ ˈɑːnɪst.") == ["tə", "biʲ ", "ˈɑːnɪst."]


def test_a_number_is_several_spoken_words() -> None:
    assert found(["hɐz", "fˈɪfti sˈɪks", "ˈæpəlz"], "hɐz fˈɪfti sˈɪks ˈæpəlz") == ["hɐz ", "fˈɪfti sˈɪks ", "ˈæpəlz"]


def test_a_word_that_sounds_otherwise_by_itself_begins_after_the_gap() -> None:
    assert found(["sˈiː", "ˈeɪ", "mˈæn"], "sˈiː ɐ mˈæn") == ["sˈiː ", "ɐ ", "mˈæn"]


def test_the_same_word_again_has_a_place_of_its_own() -> None:
    assert found(["nˈoʊ", "nˈoʊ", "nˈoʊ"], "nˈoʊ, nˈoʊ, nˈoʊ.") == ["nˈoʊ, ", "nˈoʊ, ", "nˈoʊ."]


def test_words_without_phonemes_are_where_the_next_one_is_or_at_the_end() -> None:
    assert place_words([[], list("abc"), []], list("abc")) == [0, 0, 3]
    assert place_words([list("abc")], []) == [0]


WORDS = st.lists(st.text(alphabet="abcdeː", min_size=1, max_size=6), max_size=8)


@given(WORDS)
def test_words_that_are_spoken_as_by_themselves_are_found_exactly(alone: list[str]) -> None:
    whole = GAP.join(alone)
    starts = list(accumulate((len(word) + 1 for word in alone), initial=0))[:-1]
    assert place_words([list(word) for word in alone], list(whole)) == starts


@given(WORDS, st.text(alphabet="abcdeːˈ, .", max_size=40))
def test_places_are_in_order_whatever_is_spoken(alone: list[str], whole: str) -> None:
    places = place_words([list(word) for word in alone], list(whole))
    assert len(places) == len(alone)
    assert places == sorted(places)
    assert all(0 <= place <= len(whole) for place in places)


@pytest.mark.parametrize("alike", ["a", "ab", "9"])
def test_very_many_phonemes_that_are_all_alike_are_placed_by_length(alike: str) -> None:
    words, whole = [alike * 20] * 400, GAP.join([alike * 20] * 400)
    places = place_words([list(word) for word in words], list(whole))
    assert places == sorted(places)
    assert abs(places[200] - len(whole) // 2) <= 41
