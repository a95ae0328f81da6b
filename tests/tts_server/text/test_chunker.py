"""Cutting a stream of text into pieces to be spoken."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tts_server.text.chunker import Chunker, without_short_stops

TEXTS = st.text(alphabet="abc DrN.,!?;:。\n123\"'$IV|-—।؟", max_size=400)


def cut(text: str, size: int = 7) -> list[str]:
    """Pieces of `text`, given to the chunker `size` characters at a time."""
    chunker = Chunker()
    pieces = [piece for start in range(0, len(text), size) for piece in chunker.add(text[start : start + size])]
    return [piece.text for piece in [*pieces, *chunker.flush()]]


def test_the_first_piece_ends_at_the_first_clause_and_later_ones_with_their_sentences() -> None:
    text = "Well, to be honest, I do not know. But I can find it out for you, if you like, tomorrow. Bye."
    pieces = [piece.strip() for piece in cut(text)]
    assert pieces[0] == "Well, to be honest,"
    assert pieces[1] == "I do not know. But I can find it out for you, if you like, tomorrow."


def test_the_first_piece_has_eight_words_at_most() -> None:
    first = cut("this text has no mark at all and goes on and on without one")[0]
    assert len(first.split()) == 8


@pytest.mark.parametrize(
    "text",
    [
        "Please ask Dr. Smith about the result of it today.",
        "The value of pi is about 3.14159 as far as we know.",
        "It costs 1,000 dollars, e.g. in the shop around the corner here.",
    ],
)
def test_no_piece_ends_within_an_abbreviation_or_a_number(text: str) -> None:
    for piece in cut(text)[:-1]:
        assert not piece.rstrip().endswith(("Dr.", "3.", "1,", "e.", "e.g."))


def test_a_name_of_letters_and_full_stops_is_not_cut_off_from_what_follows() -> None:
    assert cut("Well, the U.S. Senate met. It was late.")[0] == "Well, the U.S. Senate met."
    assert cut("It leaves at 2.30 p.m. Please be there.")[0] == "It leaves at 2.30 p.m."


def test_full_width_marks_end_sentences() -> None:
    text = "今天天气很好我们去公园玩吧。明天可能会下雨所以我们最好待在家里看书。好的。"
    assert cut(text)[0].endswith("。")


@settings(deadline=None)
@given(TEXTS, st.integers(1, 40))
def test_pieces_join_to_the_text_and_know_their_places(text: str, size: int) -> None:
    chunker = Chunker()
    pieces = [piece for start in range(0, len(text), size) for piece in chunker.add(text[start : start + size])]
    pieces += chunker.flush()
    assert "".join(piece.text for piece in pieces) == text
    assert all(text[piece.start_char : piece.end_char] == piece.text for piece in pieces)


@settings(deadline=None)
@given(TEXTS)
def test_how_the_text_was_split_into_deltas_makes_no_difference(text: str) -> None:
    assert cut(text, 1) == cut(text, 11)


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("It costs you $5, 10:05 is when it begins.", "$5, 10:05"),
        ("It was on the day of May 5, 2024 that we met him there.", "May 5, 2024"),
        ("The price of it all was about $1.5 million in that year.", "$1.5 million"),
        ("We all know that it was king Henry VIII who did it then.", "Henry VIII"),
        ("one two three four five six seven 5 km away from here", "5 km"),
        ("they all say that it is so if x > 5 holds for all of it", "x > 5"),
        ("one two three four five six seven Dr. Smith is at home", "Dr. Smith"),
        ("At 3.5 percent, e.g. in the bank, it is 10:05 now in town.", "e.g. in"),
        ("The train that we all take leaves at 10:05 every morning.", "10:05"),
        ("The number of all the people there is 1,000,000 as of now.", "1,000,000"),
        ("one two three four five six seven 3 + 4 = 7 as you know", "3 + 4 = 7"),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 5, 400])
def test_no_piece_ends_within_a_number_and_what_belongs_to_it(text: str, whole: str, size: int) -> None:
    assert any(whole in piece for piece in cut(text, size)), cut(text, size)


@pytest.mark.parametrize(
    "sentences",
    [
        ["मैं आपकी पूरी मदद कर सकता हूँ।", "आज यहाँ मौसम बहुत अच्छा है और धूप भी।", "हम सब पार्क जा सकते हैं आज।"],
        ["هل تريد أن نخرج معا هذا المساء؟", "هل الطقس جميل في المدينة؟", "هل عندك وقت كاف لذلك؟"],
        ["آج موسم بہت اچھا ہے اور دھوپ بھی ہے۔", "ہم سب باغ جا سکتے ہیں آج شام کو۔"],
        ["Այսօր եղանակը շատ լավ է և տաք։", "Մենք կարող ենք գնալ այգի բոլորս։"],
        ["今天天气很好我们去公园玩吧。", "明天可能会下雨所以我们最好待在家里。"],
    ],
)
def test_sentences_end_with_the_marks_of_their_script(sentences: list[str]) -> None:
    pieces = cut(" ".join(sentences), 3)
    assert all(any(piece.strip().endswith(sentence) for piece in pieces) for sentence in sentences[1:])
    assert len(pieces) >= len(sentences)


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("Checking your calendar\n", ""),
        ("Checking your calendar now: ", ""),
        ("Let me look that up for you ", ""),
        ("Checking your calendar. One moment...", ""),
        ("It will cost you about $5", " $5"),
        ("The value of pi is about 3.", " 3."),
        ("The total of it comes to 10:", " 10:"),
        ("It all happened in the year 19", " 19"),
        ("The distance is about 5 ", " 5 "),
        ("I spoke about it to the nice Dr. ", " Dr. "),
    ],
)
def test_a_stall_holds_back_only_what_may_go_on(text: str, held: str) -> None:
    chunker = Chunker()
    chunker.add(text)
    chunker.pause()
    assert chunker.waiting.rstrip("\n").strip() == held.strip()


def test_a_stall_speaks_what_can_be_said_without_breaking_a_word() -> None:
    chunker = Chunker()
    assert chunker.add("I am thinking abou") == []
    assert [piece.text for piece in chunker.pause()] == ["I am thinking"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Dr. Smith met J. Doe.", "Dr  Smith met J  Doe."),
        ("No. 5 is alive. No. Never.", "No  5 is alive. No. Never."),
        ("It is late. Go.", "It is late. Go."),
        ("(Mr. X)", "(Mr  X)"),
        ("the U.S. Senate, J.R.R. Tolkien", "the U.S  Senate, J.R.R  Tolkien"),
        ("I live in the U.S. It is large.", "I live in the U.S. It is large."),
        ("at 5 p.m. We left", "at 5 p.m. We left"),
    ],
)
def test_full_stops_that_end_no_sentence_can_be_left_out_in_place(text: str, shown: str) -> None:
    assert without_short_stops(text) == shown


@pytest.mark.parametrize("unit", ["\u0301", "\u200d", "e\u0301\u0302\u0303", "\ufe0f\u0301", "\u0e49"])
def test_marks_on_one_letter_by_the_thousand_are_cut_like_any_run_without_a_space(unit: str) -> None:
    text = "h" + unit * 9_000
    pieces = cut(text, 500)
    assert "".join(pieces) == text
    assert max(map(len, pieces)) <= 1_500
    assert min(map(len, pieces[:-1])) >= 900


def test_a_letter_and_its_marks_stay_together() -> None:
    pieces = cut("ae\u0301\u0302" * 900, 500)
    assert not any(piece[0] in "\u0301\u0302" for piece in pieces)
