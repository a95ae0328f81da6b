"""Every written word has a mark."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tts_server.engine import WordMark
from tts_server.text.marks import mark_words, words_of


def words(text: str, marks: list[WordMark]) -> list[tuple[str, int]]:
    return [(text[mark.start_char : mark.end_char], mark.sample) for mark in marks]


def test_the_engines_own_marks_are_kept() -> None:
    text = "Seven times eight"
    given_marks = [WordMark(0, 5, 0), WordMark(6, 11, 500), WordMark(12, 17, 900)]
    assert words(text, mark_words(text, given_marks, 1500)) == [("Seven", 0), ("times", 500), ("eight", 900)]


def test_a_word_that_was_joined_to_another_lies_between_its_neighbours() -> None:
    text = "to be honest"
    marks = mark_words(text, [WordMark(0, 2, 0), WordMark(6, 12, 600)], 1200)
    assert words(text, marks) == [("to", 0), ("be", 300), ("honest", 600)]


def test_a_number_of_several_spoken_words_has_one_mark() -> None:
    text = "at 25 past"
    marks = mark_words(text, [WordMark(0, 2, 0), WordMark(3, 5, 100), WordMark(4, 5, 300), WordMark(6, 10, 500)], 800)
    assert words(text, marks) == [("at", 0), ("25", 100), ("past", 500)]


def test_without_any_marks_words_are_spread_by_their_letters() -> None:
    assert words("ab cd", mark_words("ab cd", [], 500)) == [("ab", 0), ("cd", 300)]


def test_marks_that_the_engine_did_not_give_are_called_estimated() -> None:
    marks = mark_words("to be honest", [WordMark(0, 2, 0), WordMark(6, 12, 600)], 1200)
    assert [mark.estimated for mark in marks] == [False, True, False]


def test_scripts_without_spaces_are_marked_by_their_characters() -> None:
    text = "「ラーメンだ」Hello 今天，好。"
    assert [text[start:end] for start, end in words_of(text)] == [
        "「ラー",
        "メ",
        "ン",
        "だ」",
        "Hello",
        "今",
        "天，",
        "好。",
    ]


MARKS = st.lists(st.builds(WordMark, st.integers(0, 30), st.integers(0, 30), st.integers(0, 1000)), max_size=10)


@given(st.text(alphabet="ab 1.,\n", max_size=30), MARKS, st.integers(0, 1000))
def test_marks_are_in_order_within_the_sound_whatever_an_engine_says(
    text: str, given_marks: list[WordMark], samples: int
) -> None:
    marks = mark_words(text, given_marks, samples)
    places = [mark.sample for mark in marks]
    assert places == sorted(places)
    assert [text[mark.start_char : mark.end_char] for mark in marks] == [
        word for word in text.split() if any(character.isalnum() for character in word)
    ]
