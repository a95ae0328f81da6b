"""What the engine without a model answers."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random

import pytest

from llm_server.engine import Conversation, Delta, Finish, Message, Role, StopReason
from llm_server.engines.rules import RulesEngine, arithmetic

EVENING = datetime(2026, 11, 20, 19, 5, tzinfo=UTC)


@pytest.fixture(scope="module")
def engine() -> RulesEngine:
    made = RulesEngine(lambda: EVENING)
    made.load()
    return made


async def ask(engine: RulesEngine, *said: str | Message, max_tokens: int = 512) -> str:
    """The reply to the last of `said`, which alternate between the user and the assistant."""
    messages = tuple(
        each if isinstance(each, Message) else Message(Role.ASSISTANT if place % 2 else Role.USER, each)
        for place, each in enumerate(said)
    )
    events = [event async for event in engine.reply(Conversation(messages, max_tokens))]
    assert isinstance(events[-1], Finish)
    return "".join(event.text for event in events if isinstance(event, Delta))


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("What is seven times eight?", "Seven times eight is fifty-six."),
        ("What is 7 times 8?", "Seven times eight is fifty-six."),
        ("what's 7 x 8", "Seven times eight is fifty-six."),
        ("12 plus 30", "Twelve plus thirty is forty-two."),
        ("How much is twelve minus thirty?", "Twelve minus thirty is minus eighteen."),
        ("half of ninety", "Half of ninety is forty-five."),
        ("What is the square root of 81?", "The square root of eighty-one is nine."),
        ("thirty five percent of forty", "Thirty-five percent of forty is fourteen."),
        ("two to the power of ten", "Two to the power of ten is one thousand and twenty-four."),
        ("one hundred and five times two", "One hundred and five times two is two hundred and ten."),
        ("ten divided by four", "Ten divided by four is two point five."),
        ("ten divided by three", "Ten divided by three is about three point three three."),
        ("five divided by zero", "Nothing can be divided by zero."),
        ("nine to the power of nine hundred", "That power is too much for me."),
        ("two plus three times four", "Two plus three times four is fourteen."),
        ("What is three point five times two?", "Three point five times two is seven."),
        ("what is zero point one plus zero point two", "Zero point one plus zero point two is zero point three."),
        ("what is zero point zero five times 2", "Zero point zero five times two is zero point one."),
        ("what is three point one four times ten", "Three point one four times ten is thirty-one point four."),
        ("what is .5 plus 1", "Zero point five plus one is one point five."),
        ("two and a half times four", "Two point five times four is ten."),
        ("What's 2 to the power of 10?", "Two to the power of ten is one thousand and twenty-four."),
        ("divide ten by two", "Ten divided by two is five."),
        ("subtract three from ten", "Ten minus three is seven."),
        ("add 5 and 3", "Five plus three is eight."),
        ("what is two and two", "Two plus two is four."),
        ("what is (2 + 3) * 4?", "That is twenty."),
        ("one half plus one quarter", "That is zero point seven five."),
        ("a third of ninety", "A third of ninety is thirty."),
        ("fifty plus ten percent", "Fifty plus ten percent is fifty-five."),
        ("50 plus 10% of 40", "Fifty plus ten percent of forty is fifty-four."),
        ("how much is $5 times 3", "Five times three is fifteen."),
        ("seventeen squared", "Seventeen squared is two hundred and eighty-nine."),
    ],
)
async def test_sums_are_worked_out(engine: RulesEngine, said: str, answer: str) -> None:
    assert await ask(engine, said) == answer


@pytest.mark.parametrize(
    "said", ["What time is it?", "what's the time", "Can you tell me the time please", "What time is it"]
)
async def test_the_time_is_told(engine: RulesEngine, said: str) -> None:
    assert await ask(engine, said) == "It is 7:05 in the evening."


@pytest.mark.parametrize("said", ["What day is it today?", "what's the date", "What is today's date?"])
async def test_the_date_is_told(engine: RulesEngine, said: str) -> None:
    assert await ask(engine, said) == "Today is Friday, the 20th of November."


async def test_a_name_is_kept_for_the_conversation_and_no_longer(engine: RulesEngine) -> None:
    assert await ask(engine, "My name is Anna.") == "Nice to meet you, Anna."
    assert await ask(engine, "my name is anna", "Nice to meet you, Anna.", "What is my name?") == "Your name is Anna."
    assert "not told me" in await ask(engine, "What is my name?")


async def test_what_was_said_can_be_asked_for(engine: RulesEngine) -> None:
    talk = ("I like tea", "Do you?", "What did I just say?")
    assert await ask(engine, *talk) == "You said: I like tea"
    assert await ask(engine, "hello", "Hello! What can I do for you?", "Say that again") == (
        "I said: Hello! What can I do for you?"
    )


async def test_an_interrupted_reply_goes_on_from_where_it_was_cut(engine: RulesEngine) -> None:
    cut = Message(Role.ASSISTANT, "Once there was", interrupted=True, unheard="a lighthouse keeper.")
    assert await ask(engine, "tell me a story", cut, "Go on.") == "a lighthouse keeper."
    assert await ask(engine, "tell me a story", cut, "OK, go on.") == "a lighthouse keeper."
    assert "all I had" in await ask(engine, "hello", "Hello!", "continue please")


@pytest.mark.parametrize(
    "said",
    [
        "my number is 555-1234",
        "I was born on 5/6",
        "I said goodbye to my mother",
        "call me maybe later",
        "my name is not important",
        "I am 50 percent sure",
        "a quarter past four",
        "half of my friends are twice as old",
    ],
)
async def test_what_only_looks_like_a_skill_is_none(engine: RulesEngine, said: str) -> None:
    answer = await ask(engine, said)
    assert not answer.startswith(("Goodbye", "Nice to meet you"))
    assert " is " not in answer or "minus" not in answer
    assert "divided" not in answer


@pytest.mark.parametrize("said", ["12 - 5", "what is 12 - 5?", "12 / 4"])
async def test_signs_alone_are_a_sum_when_they_are_all_that_is_asked(engine: RulesEngine, said: str) -> None:
    assert (await ask(engine, said)).startswith("Twelve ")


async def test_a_seed_makes_a_choice_repeatable_and_without_one_chance_is_the_engines() -> None:
    question = (Message(Role.USER, "tell me a joke"),)

    async def told(chance: int, seed: int | None) -> str:
        engine = RulesEngine(lambda: EVENING, Random(chance))  # noqa: S311 - a choice of words
        conversation = Conversation(question, 100, seed=seed)
        return "".join([event.text async for event in engine.reply(conversation) if isinstance(event, Delta)])

    assert len({await told(chance, seed=7) for chance in range(10)}) == 1
    assert len({await told(chance, seed=None) for chance in range(10)}) > 1
    assert await told(3, seed=None) == await told(3, seed=None)


async def test_the_longest_reply_is_kept_to(engine: RulesEngine) -> None:
    conversation = Conversation((Message(Role.USER, "tell me a story"),), 5)
    events = [event async for event in engine.reply(conversation)]
    assert len([event for event in events if isinstance(event, Delta)]) == 5
    assert events[-1] == Finish(StopReason.LENGTH, completion_tokens=5)


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("what is 0.1^64^64^64^5?", "That is more than I can count."),
        ("0.9 ^ 64 ^ 64 ^ 64", "That is more than I can count."),
        ("one over seven to the power of 64 to the power of 64", "That is more than I can count."),
        ("10% of" + "%" * 400 + " 5 plus 3", "I could not work that out."),
        ("2 times" + " -" * 400 + " 3", "I could not work that out."),
        ("sqrt " * 190 + "5", "I could not work that out."),
        ("9" * 900 + " plus 1", "That is more than I can count."),
        ("(" * 400 + "1 + 1" + ")" * 400, "I could not work that out."),
        ("minus minus five plus three", "Minus minus five plus three is eight."),
    ],
)
async def test_a_sum_that_nobody_can_work_out_takes_no_time(engine: RulesEngine, said: str, answer: str) -> None:
    assert await ask(engine, said) == answer


@pytest.mark.parametrize(
    "said", ["1 + " * 30_000 + "1", "9" * 200_000 + " plus 1", ". " * 100_000, "my name is " * 20_000]
)
async def test_more_than_anybody_says_is_no_sum_and_gets_some_answer(engine: RulesEngine, said: str) -> None:
    answer = await ask(engine, said)
    assert answer
    assert len(answer) < 2_000


async def test_only_what_was_said_lately_is_looked_at(engine: RulesEngine) -> None:
    said = ["my name is Anna", "Nice to meet you, Anna.", *["x", "y"] * 100, "what is my name?"]
    assert await ask(engine, *said) == "You have not told me your name yet."
    assert await ask(engine, *said[-3:-1], *said[:2], said[-1]) == "Your name is Anna."


def test_a_sum_of_fractions_ends_where_it_gets_too_fine() -> None:
    tokens = " + ".join(f"1 / {10**14 + 2 * low + 1}" for low in range(200)).split()
    with pytest.raises(arithmetic.Unspeakable, match="more than I can count"):
        arithmetic.work_out(arithmetic.Sum(tuple(tokens)))
