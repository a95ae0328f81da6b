from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_gateway.reply.spoken_text import SpokenText

WORD_SAMPLES = 1_000


def spoken(text: str, *, pattern: str = r"[\w']+") -> SpokenText:
    """A reply that is all spoken, its words 1000 samples each, and punctuation outside their marks as with espeak."""
    reply = SpokenText()
    reply.delta(text)
    words = list(re.finditer(pattern, text))
    for index, word in enumerate(words):
        reply.mark(word.start(), word.end(), index * WORD_SAMPLES)
    reply.finish(len(words) * WORD_SAMPLES)
    return reply


@pytest.mark.parametrize(
    ("played", "heard"),
    [
        (0, ""),
        (499, ""),
        (500, "Well,"),
        (1_499, "Well,"),
        (1_500, "Well, it's"),
        (2_499, "Well, it's"),
        (2_500, "Well, it's noon."),
        (10**9, "Well, it's noon."),
    ],
)
def test_a_word_is_heard_when_half_of_it_has_played(played: int, heard: str) -> None:
    reply = spoken("Well, it's noon.")
    assert reply.heard(played) == heard
    assert f"{heard} {reply.unsaid(played)}".strip() == "Well, it's noon."


@pytest.mark.parametrize(
    ("text", "words_played", "heard"),
    [
        pytest.param("a well-known man", 2, "a", id="half a compound is no word"),
        pytest.param("a well-known man", 3, "a well-known", id="a compound"),
        pytest.param("see https://a.b/c now", 3, "see", id="part of an address"),
        pytest.param("yes—no", 1, "yes—", id="a dash parts words"),
        pytest.param("wait…what", 1, "wait…", id="dots part words"),
        pytest.param("**Bold** words", 1, "**Bold**", id="Markdown closes with its word"),
        pytest.param('He said "go" once', 3, 'He said "go"', id="a quotation closes with its word"),
        pytest.param("Hi 👋 there", 1, "Hi", id="an emoji on its own comes later"),
        pytest.param("Hi 👋 there you", 2, "Hi 👋 there", id="an emoji between heard words"),
        pytest.param("Done 🎉", 1, "Done 🎉", id="all that sounds was heard"),
    ],
)
def test_the_cut_is_between_words(text: str, words_played: int, heard: str) -> None:
    assert spoken(text).heard(words_played * WORD_SAMPLES) == heard


def test_words_without_spaces_between_them_may_be_parted_at_marks() -> None:
    reply = spoken("你好、世界很大。", pattern="你好|世界|很|大")
    assert reply.heard(0) == ""
    assert reply.heard(1_000) == "你好、"
    assert reply.heard(2_000) == "你好、世界"
    assert reply.heard(4_000) == "你好、世界很大。"


def test_a_korean_word_is_not_parted() -> None:
    assert spoken("안녕하세요 여러분", pattern="안녕|하세요|여러분").heard(1_000) == ""


def test_a_word_that_is_still_being_spoken_is_not_heard_before_its_end_is_known() -> None:
    reply = SpokenText()
    reply.delta("One two")
    reply.mark(0, 3, 0)
    assert reply.heard(50_000) == ""
    reply.mark(4, 7, 1_000)
    assert reply.heard(50_000) == "One"
    reply.sentence_end(7, 2_000)
    assert reply.heard(1_499) == "One"
    assert reply.heard(1_500) == "One two"


def test_the_silence_after_a_sentence_does_not_belong_to_its_last_word() -> None:
    reply = SpokenText()
    reply.delta("One. Two.")
    reply.mark(0, 3, 0)
    reply.sentence_end(4, 1_000)
    reply.mark(5, 8, 9_000)
    reply.finish(10_000)
    assert reply.heard(500) == "One."
    assert reply.heard(9_499) == "One."
    assert reply.heard(9_500) == "One. Two."


def test_a_word_that_begins_where_a_sentence_ended_is_not_heard_at_once() -> None:
    reply = SpokenText()
    reply.delta("One. Two.")
    reply.mark(0, 3, 0)
    reply.sentence_end(4, 1_000)
    reply.mark(5, 8, 1_000)
    assert reply.heard(50_000) == "One."
    reply.finish(2_000)
    assert reply.heard(1_499) == "One."
    assert reply.heard(1_500) == "One. Two."


def test_text_that_came_after_the_speech_so_far_is_not_heard() -> None:
    reply = SpokenText()
    reply.delta("One. ")
    reply.mark(0, 3, 0)
    reply.sentence_end(5, 1_000)
    reply.delta("Two is not yet spoken.")
    assert reply.heard(10**9) == "One."
    assert reply.unsaid(10**9) == "Two is not yet spoken."


def test_a_voice_without_marks_has_its_words_spread_over_the_sentence() -> None:
    reply = SpokenText()
    reply.delta("aaaa bbbb cccc. ")
    reply.sentence_end(16, 16_000)
    reply.delta("你好世界")
    reply.sentence_end(20, 20_000)
    assert reply.heard(2_000) == ""
    assert reply.heard(2_500) == "aaaa"
    assert reply.heard(9_000) == "aaaa bbbb"
    assert reply.heard(17_600) == "aaaa bbbb cccc. 你好"


def test_a_voice_that_marks_some_sentences_is_believed_there() -> None:
    reply = SpokenText()
    reply.delta("aaaa bbbb. cccc dddd.")
    reply.mark(0, 4, 0)
    reply.mark(5, 9, 9_000)
    reply.sentence_end(11, 10_000)
    reply.sentence_end(21, 20_000)
    assert reply.heard(8_000) == "aaaa"
    assert reply.heard(13_500) == "aaaa bbbb. cccc"


def test_marks_that_make_no_sense_are_put_right() -> None:
    reply = SpokenText()
    reply.delta("one two three")
    reply.mark(0, 3, 0)
    reply.mark(4, 7, 2_000)
    reply.mark(0, 3, 2_500)
    reply.mark(6, 6, 2_500)
    reply.mark(8, 13, 1_500)
    reply.finish(3_000)
    assert reply.heard(1_999) == "one"
    assert reply.heard(2_499) == "one two"
    assert reply.heard(2_500) == "one two three"


def test_before_anything_has_played_nothing_is_heard_even_of_words_without_length() -> None:
    reply = SpokenText()
    reply.delta("one two")
    reply.mark(0, 3, 0)
    reply.mark(4, 7, 0)
    reply.finish(1_000)
    assert reply.heard(0) == ""
    assert reply.heard(1) == "one"


def test_a_reply_that_made_no_sound_was_not_heard() -> None:
    reply = SpokenText()
    reply.delta("🎉")
    reply.finish(0)
    assert reply.heard(10**9) == ""


words = st.lists(
    st.tuples(
        st.text("abcdeé", min_size=1, max_size=6),
        st.sampled_from([" ", ", ", ". ", "! ", " 👋 ", "\n"]),
        st.integers(0, 3_000),
    ),
    max_size=30,
)


@pytest.mark.parametrize(
    ("first", "end", "said"),
    [
        pytest.param(0, 0, "One", id="at the very beginning"),
        pytest.param(0, 999, "One", id="within the first word"),
        pytest.param(999, 1_000, "One two", id="across a border"),
        pytest.param(1_000, 2_500, "two three", id="from the sample at which a word begins"),
        pytest.param(2_000, 99_000, "three. Four", id="to the end"),
        pytest.param(99_000, 199_000, "Four", id="after the end the last word may still be heard"),
        pytest.param(-5_000, -1, "", id="before the beginning"),
        pytest.param(-5_000, 10, "One", id="from before the beginning"),
        pytest.param(2_000, 1_000, "", id="backwards"),
    ],
)
def test_what_was_being_said_is_told_by_its_place(first: int, end: int, said: str) -> None:
    assert spoken("One two three. Four").said_between(first, end) == said


def test_of_a_reply_without_a_word_in_place_everything_may_have_been_said() -> None:
    reply = SpokenText()
    reply.delta("One two")
    assert reply.said_between(0, 10) == "One two"
    assert SpokenText().said_between(0, 10) == ""


@given(
    marks=st.lists(st.integers(1, 3_000), min_size=1, max_size=20),
    first=st.integers(-1_000, 60_000),
    length=st.integers(0, 9_000),
)
def test_what_was_being_said_holds_every_word_that_began_meanwhile(marks: list[int], first: int, length: int) -> None:
    reply, sample, begun = SpokenText(), 0, []
    reply.delta(" ".join(f"w{place}" for place in range(len(marks))))
    place_char = 0
    for place, samples in enumerate(marks):
        word = f"w{place}"
        reply.mark(place_char, place_char + len(word), sample)
        if first <= sample <= first + length:
            begun.append(word)
        place_char, sample = place_char + len(word) + 1, sample + samples
    said = reply.said_between(first, first + length).split()
    assert said[-len(begun) :] == begun or not begun
    # And at most the word that was being said at the beginning.
    assert len(said) <= len(begun) + 1


@given(words=words, played=st.integers(0, 60_000), cuts=st.lists(st.integers(0, 300), max_size=5))
def test_no_word_is_told_whose_sound_was_not_heard(
    words: list[tuple[str, str, int]], played: int, cuts: list[int]
) -> None:
    text = "".join(word + after for word, after, _ in words)
    reply = SpokenText()
    for start, end in pairwise([0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]):
        reply.delta(text[start:end])
    sample, char, known = 0, 0, []
    for word, after, samples in words:
        reply.mark(char, char + len(word), sample)
        if samples and 2 * (played - sample) >= samples:
            known.append(word)
        char, sample = char + len(word) + len(after), sample + samples
    reply.finish(sample)
    told = reply.heard(played)
    assert text.startswith(told)
    told_words = re.findall(r"\w+", told)
    # A word without any sound may go with its neighbours, so only the sounding ones are compared.
    sounding = [word for word, _, samples in words if samples]
    told_sounding = [word for word, (_, _, samples) in zip(told_words, words, strict=False) if samples]
    assert told_sounding == sounding[: len(told_sounding)]
    assert len(told_sounding) <= len(known)
    assert told_words == [word for word, _, _ in words][: len(told_words)]


@given(
    text=st.text("ab -'.你—", max_size=40),
    marks=st.lists(st.tuples(st.integers(0, 45), st.integers(0, 45), st.integers(0, 9_000)), max_size=12),
    ends=st.lists(st.tuples(st.integers(0, 45), st.integers(0, 9_000)), max_size=3),
    played=st.lists(st.integers(0, 10_000), min_size=2, max_size=2),
)
def test_whatever_a_voice_sends_words_stay_whole_and_listening_only_adds(
    text: str, marks: list[tuple[int, int, int]], ends: list[tuple[int, int]], played: list[int]
) -> None:
    reply = SpokenText()
    reply.delta(text)
    for mark in marks:
        reply.mark(*mark)
    for end in ends:
        reply.sentence_end(*end)
    less, more = (reply.heard(each) for each in sorted(played))
    assert more.startswith(less)
    rest = text.lstrip()[len(more) :]
    assert not (more and rest and more[-1] in "ab" and rest[0] in "ab")
    assert more.split() + reply.unsaid(max(played)).split() == text.split() or "你" in text or "—" in text
