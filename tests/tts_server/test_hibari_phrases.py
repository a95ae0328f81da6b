"""How a text is cut for the voice, and who says each part of it."""

from __future__ import annotations

import pytest

from tts_server.engines.hibari.phrases import phrases_of


def cut(text: str) -> list[tuple[str, str]]:
    return [(text[phrase.start : phrase.end], phrase.language) for phrase in phrases_of(text)]


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("", []),
        ("  \n ", []),
        ("Hello.", ["Hello."]),
        ("Hi. How are you?  Fine!", ["Hi.", "How are you?", "Fine!"]),
        ("Yes, of course, Peter.", ["Yes, of course, Peter."]),
        ("Dr. Smith is here, e.g. today.", ["Dr. Smith is here, e.g. today."]),
        ("He said “No.” Then he left.", ["He said “No.”", "Then he left."]),
    ],
)
def test_a_sentence_is_a_phrase(text: str, pieces: list[str]) -> None:
    assert [piece for piece, _ in cut(text)] == pieces


def test_a_long_sentence_begins_with_a_clause_since_the_listener_waits() -> None:
    text = (
        "Well, I think that it will rain, but nobody can know that, not even those who should. So, well, there it is."
    )
    assert [piece for piece, _ in cut(text)] == [
        "Well, I think that it will rain,",
        "but nobody can know that, not even those who should.",
        "So, well, there it is.",
    ]


@pytest.mark.parametrize("text", ["word " * 300, "one, two, three, " * 100, "1234567 " * 100])
def test_no_phrase_is_longer_than_the_network_likes(text: str) -> None:
    pieces = [piece for piece, _ in cut(text)]
    assert " ".join(pieces) == text.strip()
    assert max(map(len, pieces)) <= 280
    if "1" in text:
        assert max(map(len, pieces)) <= 64


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("The word привет is Russian.", [("The word", ""), ("привет", "ru"), ("is Russian.", "")]),
        ("漢字", [("漢字", "cmn")]),
        ("漢字です。", [("漢字です。", "ja")]),
        ("한국어 — 안녕", [("한국어 — 안녕", "ko")]),
        ("— Привет", [("— Привет", "ru")]),
        ("Say بِسْم now", [("Say", ""), ("بِسْم", "ar"), ("now", "")]),
        ("Łódź, café, naïve", [("Łódź, café, naïve", "")]),
        ("བོད་", [("བོད་", "en-us")]),
        (f"Say {'x' * 25} now", [("Say", ""), ("x" * 25, "en-us"), ("now", "")]),
        (f"Über{'ü' * 30}", [(f"Über{'ü' * 30}", "en-us")]),
        (f"Say {'x' * 24} and {'ab' * 9}-{'cd' * 9}", [(f"Say {'x' * 24} and {'ab' * 9}-{'cd' * 9}", "")]),
    ],
)
def test_another_script_is_a_phrase_of_its_own_in_its_language(text: str, pieces: list[tuple[str, str]]) -> None:
    assert cut(text) == pieces
