"""What the engine without a model says in the first minutes: each skill, and that it does not know the rest."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest

from llm_server.engine import Message, Role
from llm_server.engines.rules.chance import JOKES
from llm_server.engines.rules.heard import as_meant
from llm_server.engines.rules.numbers import digits
from llm_server.engines.rules.skills import answer
from parley.llm import SessionState

SESSION = SessionState()
EVENING = datetime(2026, 11, 20, 19, 5, tzinfo=UTC)


def reply(*said: str, now: datetime = EVENING, seed: int = 1) -> str:
    """The reply to the last of `said`, which alternate between the user and the assistant."""
    messages = tuple(Message(Role.ASSISTANT if place % 2 else Role.USER, each) for place, each in enumerate(said))
    return answer(messages, now, Random(seed), SESSION).text  # noqa: S311 - a choice of words


def converse(*asked: str) -> list[str]:
    """The replies to all of `asked`, one after the other in one conversation."""
    said: list[str] = []
    for each in asked:
        said += [each, reply(*said, each)]
    return said[1::2]


@pytest.mark.parametrize("name", ["", "_second", "_third", "_fourth"])
def test_the_questions_of_the_first_minutes_are_answered(name: str) -> None:
    lines = Path(__file__).with_name(f"first_minute{name}.tsv").read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines if not line.startswith("#")]
    replies = converse(*[said for said, _ in rows])
    missed = [
        (said, answered)
        for (said, accepted), answered in zip(rows, replies, strict=True)
        if not re.search(accepted, answered, re.IGNORECASE)
    ]
    assert not missed


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("What time is it in Tokyo?", "In Tokyo it is 4:05 in the morning on Saturday."),
        ("what's the time in new york right now", "In New York it is 2:05 in the afternoon."),
        ("What time is it in São Paulo?", "In São Paulo it is 4:05 in the afternoon."),
        ("what is the time in Munich please", "In Munich it is 8:05 in the evening."),
        ("What time is it in Narnia?", "I do not know what time it is in Narnia. Here it is 7:05 in the evening."),
        ("what time is it in the morning", "It is 7:05 in the evening."),
        ("What day is tomorrow?", "Tomorrow is Saturday, the 21st of November."),
        ("what is the date the day after tomorrow", "The day after tomorrow is Sunday, the 22nd of November."),
        ("What day was yesterday?", "Yesterday was Thursday, the 19th of November."),
        ("What year is it?", "It is 2026."),
        ("which month is it", "It is November."),
        ("What time is it in Sydney, Australia?", "In Sydney, Australia it is 6:05 in the morning on Saturday."),
        ("What's the date next Friday?", "The next Friday is the 27th of November."),
        ("What day is it in two weeks?", "That is Friday, the 4th of December."),
        ("what day was it three days ago", "That was Tuesday, the 17th of November."),
        ("Is it Monday today?", "Today is Friday, the 20th of November."),
        ("How many days are left until Christmas?", "Christmas is in thirty-five days."),
        ("how long until Friday", "Friday is today."),
        ("how many days until New Year", "New Year is in forty-two days."),
    ],
)
def test_time_and_date_are_told_here_and_elsewhere(said: str, answer: str) -> None:
    assert reply(said) == answer


@pytest.mark.parametrize(
    "said",
    [
        "what time is the train",
        "what year was the moon landing",
        "What is the date of the battle of Hastings?",
        "I had a good time in Paris",
        "how many days to my birthday",
        "what will I do tomorrow",
        "we meet at a quarter past four",
    ],
)
def test_another_day_or_time_than_is_known_is_not_answered_with_this_one(said: str) -> None:
    assert reply(said).startswith("Sorry, I do not know")


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("How many miles are ten kilometers?", "Ten kilometers are about six point two one miles."),
        ("how many feet are there in a mile", "One mile is five thousand two hundred and eighty feet."),
        ("What is 20 °C in Fahrenheit?", "Twenty degrees Celsius are sixty-eight degrees Fahrenheit."),
        (
            "convert minus forty celsius to fahrenheit",
            "Minus forty degrees Celsius are minus forty degrees Fahrenheit.",
        ),
        ("how much is 5 pounds in kilos", "Five pounds are about two point two seven kilograms."),
        ("60 mph in km/h", "Sixty miles an hour are about ninety-six point five six kilometers an hour."),
        ("how many ml are in 2 cups", "Two cups are about four hundred and seventy-three point one eight milliliters."),
        ("How many grams are in half a kilo?", "Zero point five kilograms are five hundred grams."),
        ("how many days are in a year", "One year is three hundred and sixty-five days."),
        ("convert 1 mm to miles", "One millimeter is less than a hundredth of a mile."),
        ("convert 70 kg to miles", "Kilograms are weight and miles are length, so I cannot convert them."),
        ("how many mm are 99999999999999 miles", "That is more than I can count."),
    ],
)
def test_units_are_converted(said: str, answer: str) -> None:
    assert reply(said) == answer


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("My name is Łukasz.", "Łukasz"),
        ("My name is 王小明", "王小明"),
        ("My name is Nguyễn Văn An.", "Nguyễn Văn An"),
        ("मेरा नाम? My name is अनिल", "अनिल"),
        ("call me Jean-Luc", "Jean-Luc"),
        ("my name is anna and I like tea", "Anna"),
        ("My name is Anna and I like tea", "Anna"),
        ("Hello, I'm Anna.", "Anna"),
        ("I'm Siobhán, by the way.", "Siobhán"),
        ("I’m called O’Neill", "O'Neill"),
    ],
)
def test_a_name_in_any_script_is_remembered_from_the_conversation(said: str, name: str) -> None:
    assert converse(said, "What's my name?") == [f"Nice to meet you, {name}.", f"Your name is {name}."]


@pytest.mark.parametrize("said", ["I'm German.", "I am hungry", "My name is not important", "Call me back later"])
def test_what_is_no_name_is_not_taken_for_one(said: str) -> None:
    assert reply(said, "I see.", "What is my name?") == "You have not told me your name yet."


def test_the_name_that_was_said_last_counts() -> None:
    assert converse("My name is Anna", "call me Bo", "who am I?")[2] == "Your name is Bo."


@pytest.mark.parametrize(
    ("said", "figures"),
    [
        ("one two three", "1 2 3"),
        ("twenty-five thousand and six", "25006"),
        ("forty zero", "40 0"),
        ("zero five", "0 5"),
        ("twelve and a quarter", "12.25"),
        ("three point one four", "3.14"),
    ],
)
def test_number_words_become_figures(said: str, figures: str) -> None:
    assert digits(said) == figures


def test_jokes_are_told_in_turn_and_none_twice_before_all_were_told() -> None:
    told = converse("Tell me a joke", *["another one please"] * (2 * len(JOKES) - 1))
    assert sorted(told[: len(JOKES)]) == sorted(JOKES)
    assert told[len(JOKES) :] == told[: len(JOKES)]
    assert {reply("Tell me a joke", seed=seed) for seed in range(50)} == set(JOKES)


def test_what_is_left_to_chance_is_left_to_the_chance_that_is_given() -> None:
    assert {reply("Flip a coin", seed=seed) for seed in range(20)} == {"It is heads.", "It is tails."}
    assert reply("roll a die", seed=3) == reply("roll a die", seed=3)
    assert reply("pick a number").startswith("I pick ")


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("How do you spell necessary?", "Necessary is spelled N, E, C, E, S, S, A, R, Y."),
        ("spell the word Łódź please", "Łódź is spelled Ł, Ó, D, Ź."),
        ("Spell " + "a" * 41, "That is too long for me to spell. Give me a single word."),
        ("count from three to five", "Three, four, five."),
        ("count down from three", "Three, two, one, zero."),
        ("count to a million", "That would take too long. I count fifty numbers at most."),
        ("Repeat after me: good morning, Anna!", "good morning, Anna!"),
        ("Can you repeat that?", "I have not said anything yet."),
    ],
)
def test_words_are_spelt_counted_and_repeated(said: str, answer: str) -> None:
    assert reply(said) == answer


def test_the_users_own_name_is_spelt() -> None:
    assert converse("My name is Eve", "Spell my name")[1] == "Eve is spelled E, V, E."
    assert reply("Spell my name") == "You have not told me your name yet."


@pytest.mark.parametrize(
    ("said", "part"),
    [
        ("Will it rain tomorrow?", "cannot know the weather"),
        ("start the stopwatch", "no stopwatch"),
        ("change your voice", "cannot change my voice"),
        ("turn on the lights", "no devices"),
        ("call my mom", "cannot call"),
        ("Are you recording me?", "Nothing that you say is kept for longer"),
        ("Do you speak German?", "only English"),
        ("Is this conversation private?", "Nothing that you say is kept for longer"),
        ("How do I make you smarter?", "Start Ollama"),
        ("Are you a real person?", "a program"),
        ("are you ChatGPT", "no language model"),
    ],
)
def test_what_it_cannot_do_it_says(said: str, part: str) -> None:
    assert part in reply(said)


@pytest.mark.parametrize(
    "said", ["My dog is nice", "Because I want to", "xyzzy", "...", "I may be recording you", "What is it?", "no no no"]
)
def test_where_nothing_is_known_it_says_so_and_what_it_can_do_instead(said: str) -> None:
    first, second = converse(said, said)
    assert first.startswith("Sorry, I do not know that: without a language model I can tell the time")
    assert "README says how to give me one" in first
    assert second == "Sorry, I do not know that either. Ask me what I can do."


def test_what_is_asked_about_is_named_and_nothing_is_made_up() -> None:
    first, second = converse("Tell me about Napoleon.", "What is the capital of France?")
    assert first.startswith("Sorry, I do not know anything about Napoleon: without")
    assert second == "Sorry, I do not know anything about the capital of France either. Ask me what I can do."
    assert reply("tell me about " + "x" * 61).startswith("Sorry, I do not know that:")


@pytest.mark.parametrize(
    ("said", "part"),
    [
        ("Wie spät ist es?", "Ich kann leider fast nur Englisch"),
        ("Hallo, wer bist du?", "Ich kann leider fast nur Englisch"),
        ("Quelle heure est-il ?", "je ne parle guère qu'anglais"),
        ("Bonjour", "je ne parle guère qu'anglais"),
        ("¿Qué hora es?", "casi solo hablo inglés"),
        ("Hola", "casi solo hablo inglés"),
        ("nicht", "Sorry, I do not know"),
        ("Who was the one that made Die Zeit und das Boot in the end of it", "Sorry, I do not know"),
    ],
)
def test_german_french_and_spanish_hear_in_their_language_that_only_english_is_known(said: str, part: str) -> None:
    assert part in reply(said)


@pytest.mark.parametrize(
    ("heard", "answer"),
    [
        ("What's to to the power of ten?", "Two to the power of ten is one thousand and twenty-four."),
        ("What is ate plus for?", "Eight plus four is twelve."),
        ("What is six divided by to?", "Six divided by two is three."),
        ("How many miles or ten kilometers?", "Ten kilometers are about six point two one miles."),
        ("What day is to-morrow?", "Tomorrow is Saturday, the 21st of November."),
        ("Are you doing all right?", "I am well, thank you. What can I do for you?"),
    ],
)
def test_what_a_recogniser_writes_otherwise_is_understood_as_it_was_meant(heard: str, answer: str) -> None:
    assert reply(heard) == answer


@pytest.mark.parametrize(
    "said", ["Any one of them", "go back to plus", "we wait for times like these", "Give it to me"]
)
def test_what_only_looks_like_a_mishearing_stays_as_it_is(said: str) -> None:
    assert as_meant(said) == said
