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


@pytest.mark.parametrize(
    "text",
    [
        "He might have been made more respectable than he was.",
        "I am as happy as software can be.",
        "Come as soon as you can.",
        "It is warmer than it used to be.",
        "I do not know where they are.",
        "Tell me what time it is.",
        "Please find out what his name was.",
        "I will go for that.",
        "My brother never did anything like that.",
        "Remind me to call her.",
        "I have not been there for a while.",
        "We meet on the third of May.",
    ],
)
def test_what_is_left_out_or_stood_for_is_no_half_sentence(text: str) -> None:
    assert completeness(text) is Completeness.HESITANT
    assert completeness(text.rstrip(".")) is Completeness.HESITANT


@pytest.mark.parametrize(
    "text",
    [
        "When he was.",
        "The station is.",
        "I think that.",
        "What I mean is.",
        "It is larger than the.",
        "I would like her.",
        "They may.",
        "For a.",
        "Even though.",
        "You and I.",
    ],
)
def test_the_same_words_elsewhere_are_half_a_sentence(text: str) -> None:
    assert completeness(text) is Completeness.UNFINISHED


@pytest.mark.parametrize("text", ["I'm.", "I\u2019m.", "Tomorrow we'll.", "They're", "I think it's.", "Well, he'd"])
def test_nobody_ends_on_a_short_form(text: str) -> None:
    assert completeness(text) is Completeness.UNFINISHED


@pytest.mark.parametrize("text", ["At Anna's.", "I won't.", "Of the Smiths'.", "It is five o'clock."])
def test_an_apostrophe_alone_is_no_short_form(text: str) -> None:
    assert completeness(text) is Completeness.FINISHED


@pytest.mark.parametrize("text", ["And?", "Would you turn on the?", "What if I'm?", "Can you, um?"])
def test_a_question_mark_finishes_no_half_sentence(text: str) -> None:
    assert completeness(text) is Completeness.UNFINISHED


@pytest.mark.parametrize("text", ["Where are you from?", "What is it for?", "How much do you have?", "Is it plan A?"])
def test_a_question_may_end_on_most_open_words(text: str) -> None:
    assert completeness(text) is Completeness.SURE


def test_other_languages_go_by_punctuation() -> None:
    assert completeness("Mach das Licht an und", "de") is Completeness.FINISHED
    assert completeness("Mach das Licht an...", "de") is Completeness.UNFINISHED
    assert completeness("Dann nehme ich an?", "de") is Completeness.SURE
