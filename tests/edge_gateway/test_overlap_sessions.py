"""A voice over a reply in whole sessions: echoes, noises and questions, and what the session is like after them."""

from __future__ import annotations

import numpy as np
import pytest

from parley import asr
from parley.conversation import (
    AssistantActivity,
    CancelReply,
    Duck,
    FlushPlayback,
    Outcome,
    ReplyFinished,
    ReplyWord,
    SessionConfig,
    TurnReport,
    TurnTaking,
    UserDiscarded,
    UserText,
    UserUtterance,
)
from parley_cli.client import PACKET_SAMPLES
from tests.edge_gateway.rig import SILENCE, Listener, Script, Writer, house, listening

# As loud as the reply comes back from the room, and as loud as that is once the reply is ducked by 18 dB.
ECHO, DUCKED_ECHO = (
    (np.sin(np.arange(PACKET_SAMPLES) * 2 * np.pi * 200 / 48_000) * level).astype("<i2").tobytes()
    for level in (12_000, 1_500)
)
QUESTIONS = ("please tell me a story", "and another one please", "thank you very much indeed")


def kinds(listener: Listener) -> set[str]:
    return {type(event).__name__ for event in listener.events}


async def echo_of_reply(listener: Listener) -> None:
    """The reply comes back from the room: its first words at once, and quieter as soon as it is ducked."""
    await listener.until(AssistantActivity, lambda event: event.state is asr.Assistant.SPEAKING)
    await listener.speak(0.16, SILENCE)
    await listener.speak(0.16, ECHO)
    await listener.until(Duck, lambda event: event.gain_db < 0)
    await listener.speak(0.04, ECHO)
    await listener.speak(0.40, DUCKED_ECHO)


async def ask(listener: Listener) -> str:
    """A question that nothing is heard over; gives what of it was understood, and waits for its answer."""
    await listener.speak(0.2, SILENCE)
    await listener.speak(0.9)
    await listener.speak(2.2, SILENCE)
    turn = await listener.until(object, lambda event: isinstance(event, UserDiscarded | UserUtterance))
    assert isinstance(turn, UserUtterance), turn
    report = await listener.until(TurnReport, lambda report: report.turn == turn.turn)
    assert report.outcome is Outcome.COMPLETED
    return turn.text


@pytest.mark.parametrize("end", ["by itself", "by the client", "by typed words"])
async def test_every_question_is_answered_after_a_reply_that_ended_while_its_echo_ducked_it(end: str) -> None:
    short = end == "by itself"
    writer = Writer("It is late." if short else "It is late, and this is a long reply that goes on and on.")
    script = Script(heard=("are you there", "it is late", *QUESTIONS), writer=writer, character_seconds=0.06)
    async with house(script) as parley, listening(parley) as listener:
        await listener.say_something()
        await echo_of_reply(listener)
        if end == "by the client":
            await listener.send(CancelReply())
        if end == "by typed words":
            writer.say("Fine.")
            await listener.send(UserText("never mind"))
        finished = await listener.until(ReplyFinished)
        writer.say("Fine.")
        await listener.speak(2.2, SILENCE)
        await listener.until(UserDiscarded)
        if end == "by typed words":
            await listener.until(TurnReport, lambda report: report.transcript == "never mind")
        assert [await ask(listener) for _ in QUESTIONS] == list(QUESTIONS)
    outcomes = {"by itself": Outcome.COMPLETED, "by the client": Outcome.CANCELLED}
    assert finished.outcome is outcomes.get(end, Outcome.INTERRUPTED)


async def test_an_echo_with_a_stop_word_in_it_does_not_interrupt_the_reply_that_said_it() -> None:
    text = "Wait for the green light, and then go on slowly to the other side."
    script = Script(heard=("how do I cross", "wait for the green light"), writer=Writer(text), character_seconds=0.03)
    async with house(script) as parley, listening(parley) as listener:
        await listener.say_something()
        await echo_of_reply(listener)
        await listener.speak(0.4, DUCKED_ECHO)
        await listener.speak(2.2, SILENCE)
        await listener.until(UserDiscarded)
        report = await listener.until(TurnReport)
    assert (report.outcome, report.heard) == (Outcome.COMPLETED, text)
    assert "FlushPlayback" not in kinds(listener)


async def speak_over(listener: Listener, seconds: float) -> None:
    """Somebody speaks over the reply, as loud when it is ducked as before, from well after its beginning."""
    await listener.until(AssistantActivity, lambda event: event.state is asr.Assistant.SPEAKING)
    await listener.until(ReplyWord, lambda word: word.first_sample > 24_000)
    await listener.speak(0.4, SILENCE)
    await listener.speak(0.16)
    await listener.until(Duck, lambda event: event.gain_db < 0)
    await listener.speak(seconds - 0.16)


async def test_a_user_who_says_stop_is_heard_even_where_the_reply_says_it_too() -> None:
    text = "Wait for the green light and wait for the cars, and wait until you can go on to the other side."
    script = Script(heard=("how do I cross", "wait"), writer=Writer(text), character_seconds=0.06)
    # Nothing else than a wish to stop is enough in this session.
    config = SessionConfig(turn_taking=TurnTaking(interrupt_voiced_ms=5_000, interrupt_words=9))
    async with house(script) as parley, listening(parley, config) as listener:
        await listener.say_something()
        await speak_over(listener, 0.8)
        await listener.until(FlushPlayback)
        report = await listener.until(TurnReport)
    assert report.outcome is Outcome.INTERRUPTED


@pytest.mark.parametrize(
    "question",
    [
        pytest.param("the princess lived in a castle", id="what is being said"),
        pytest.param("a dragon came flying over the sea", id="what was not said yet"),
    ],
)
async def test_a_question_in_the_words_of_the_reply_interrupts_it_when_the_duck_shows_a_user(question: str) -> None:
    text = (
        "Once upon a time the princess lived in a castle, and the princess lived in a castle, and all of a sudden, "
        "after a hundred years or so, a dragon came flying over the sea."
    )
    script = Script(heard=("tell me a story", question), writer=Writer(text), character_seconds=0.06)
    async with house(script) as parley, listening(parley) as listener:
        await listener.say_something()
        await speak_over(listener, 1.6)
        await listener.until(FlushPlayback)
        script.writer.say("Yes, indeed.")
        await listener.speak(2.2, SILENCE)
        report = await listener.until(TurnReport, lambda report: report.turn == 2)
    assert (report.transcript, report.heard) == (question, "Yes, indeed.")


async def test_a_question_in_the_words_of_the_reply_is_answered_after_it() -> None:
    script = Script(
        heard=("what is the capital of france", "the capital of france is paris"),
        writer=Writer("The capital of France is Paris."),
    )
    async with house(script) as parley, listening(parley) as listener:
        assert await ask(listener) == "what is the capital of france"
        script.writer.say("Yes, it is.")
        assert await ask(listener) == "the capital of france is paris"


async def test_words_of_the_reply_that_were_not_said_yet_are_the_users_where_the_sound_says_nothing() -> None:
    text = "Once upon a time there was a king, and after a hundred years or so a dragon came flying over the sea."
    question = "a dragon came flying"
    script = Script(heard=("tell me a story", question), writer=Writer(text), character_seconds=0.06)
    # The first word alone is not enough.
    config = SessionConfig(turn_taking=TurnTaking(interrupt_voiced_ms=2_000, interrupt_words=3))
    async with house(script) as parley, listening(parley, config) as listener:
        await listener.say_something()
        # Over before the duck can show anything.
        await speak_over(listener, 0.36)
        await listener.speak(2.2, SILENCE)
        await listener.until(FlushPlayback)
        utterance = await listener.until(UserUtterance)
    assert utterance.text == question


@pytest.mark.parametrize("silence_follows", [True, False])
async def test_a_noise_while_the_assistant_thinks_costs_no_answer(silence_follows: bool) -> None:  # noqa: FBT001 - pytest names it
    script = Script(heard=("what time is it", ""), writer=Writer("It is late.", 1.2 if silence_follows else 0.3))
    config = SessionConfig(turn_taking=TurnTaking(head_start=False))
    async with house(script) as parley, listening(parley, config) as listener:
        await listener.say_something()
        await listener.until(UserUtterance)
        await listener.speak(0.26)
        if silence_follows:
            await listener.speak(1.0, SILENCE)
        # Else it takes 1.5 s until it is known that the user does not go on, and the reply waits for that.
        await listener.until(UserDiscarded)
        assert "ReplyStarted" not in kinds(listener)
        report = await listener.until(TurnReport)
    assert (report.turn, report.outcome, report.heard) == (1, Outcome.COMPLETED, "It is late.")
