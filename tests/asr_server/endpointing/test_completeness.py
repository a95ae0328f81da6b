"""How finished words look."""

from __future__ import annotations

import pytest

from asr_server.endpointing.completeness import Completeness, completeness


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("What time is it?", Completeness.SURE),
        ("Turn on the lamp.", Completeness.FINISHED),
        ("Yes please.", Completeness.FINISHED),
        ("Turn the lights on.", Completeness.FINISHED),
        ("Come in.", Completeness.FINISHED),
        ("I think so.", Completeness.FINISHED),
        ("I am doing well.", Completeness.FINISHED),
        ("I am.", Completeness.FINISHED),
        ("Turn on the living room lamp,", Completeness.HESITANT),
        ("Turn on the.", Completeness.UNFINISHED),
        ("I would like to", Completeness.UNFINISHED),
        ("My favourite is um", Completeness.UNFINISHED),
        ("Well, because...", Completeness.UNFINISHED),
        ("", Completeness.UNFINISHED),
        ("My number is 5 5 1.", Completeness.DICTATING),
        ("five five one two", Completeness.DICTATING),
        ("What is 7 times 8?", Completeness.SURE),
        ("At two thirty.", Completeness.FINISHED),
    ],
)
def test_english(text: str, expected: Completeness) -> None:
    assert completeness(text) is expected


def test_other_languages_go_by_punctuation() -> None:
    assert completeness("Mach das Licht an und", "de") is Completeness.FINISHED
    assert completeness("Mach das Licht an...", "de") is Completeness.UNFINISHED
