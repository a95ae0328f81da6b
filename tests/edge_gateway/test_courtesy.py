"""What people do besides asking and listening: type while they talk, speak into a greeting, say two things at once."""

from __future__ import annotations

import asyncio

from llm_server.engine import Role
from parley.conversation import (
    FlushPlayback,
    Outcome,
    ReplyAudioEnd,
    ReplyFinished,
    ReplyStarted,
    SessionConfig,
    TurnReport,
    UserSpeechStarted,
    UserText,
    UserUtterance,
)
from tests.edge_gateway.rig import SILENCE, Script, Writer, house, listening

LONG = "Once upon a time there was a very long story. It went on and on. And then it went on some more until the end."
GREETING = "Hello there, and welcome to this very long greeting that nobody wants to hear to its end."


def asked(parley_script: Script) -> list[list[tuple[Role, str]]]:
    return [[(message.role, message.text) for message in each.messages] for each in parley_script.writer.asked]


async def test_two_turns_said_quickly_after_each_other_both_reach_the_model() -> None:
    script = Script(heard=("my name is Anna", "what is my name?"), writer=Writer(LONG), hearing_delay_seconds=0.05)
    async with house(script) as parley, listening(parley) as listener:
        await listener.speak(0.2, SILENCE)
        await listener.speak(0.8)
        await listener.speak(1.2, SILENCE)
        # Shorter than the first, by which the scripted engine knows that another utterance has begun.
        await listener.speak(0.5)
        await listener.speak(1.4, SILENCE)
        await listener.until(UserUtterance, lambda event: event.turn == 2)
        await listener.until(ReplyStarted, lambda event: event.turn == 2)
    said = [event.text for event in listener.events if isinstance(event, UserUtterance)]
    assert said == ["my name is Anna", "what is my name?"]
    told = " ".join(text for role, text in asked(script)[-1] if role is Role.USER)
    assert "my name is Anna" in told
    assert "what is my name?" in told


async def test_typed_words_in_the_middle_of_speech_are_answered_and_the_speech_as_well() -> None:
    script = Script(heard=("what time is it?",), writer=Writer("It is late."))
    async with house(script) as parley, listening(parley) as listener:
        await listener.speak(0.2, SILENCE)
        await listener.speak(0.6)
        await listener.until(UserSpeechStarted)
        await listener.send(UserText("turn on the lamp"))
        await listener.until(UserUtterance, lambda event: event.typed)
        await listener.speak(0.6)
        await listener.speak(1.4, SILENCE)
        spoken = await listener.until(UserUtterance, lambda event: not event.typed)
        report = await listener.until(TurnReport, lambda event: event.transcript == spoken.text)
    assert spoken.text == "what time is it?"
    assert report.outcome is Outcome.COMPLETED
    told = " ".join(text for role, text in asked(script)[-1] if role is Role.USER)
    # In one message, since nothing was heard of an answer to the first half.
    assert told == "turn on the lamp what time is it?"


async def test_a_greeting_can_be_interrupted_and_the_model_knows_how_far_it_was_heard() -> None:
    script = Script(heard=("stop please",), writer=Writer("Certainly."), character_seconds=0.05)
    config = SessionConfig(greeting=GREETING, reports_playback=True)
    async with house(script) as parley, listening(parley, config) as listener:
        started = await listener.until(ReplyStarted)
        await listener.speak(0.2, SILENCE)
        await listener.speak(0.8)
        await listener.until(FlushPlayback)
        await listener.played(started.reply, 24_000, final=True)
        finished = await listener.until(ReplyFinished)
        await listener.speak(1.4, SILENCE)
        await listener.until(ReplyFinished, lambda event: event.reply != started.reply)
    assert finished.outcome is Outcome.INTERRUPTED
    heard = next(text for role, text in asked(script)[-1] if role is Role.ASSISTANT)
    assert GREETING.startswith(finished.heard)
    assert finished.heard
    assert finished.heard in heard
    assert finished.unheard not in heard


async def test_typed_words_end_a_greeting() -> None:
    script = Script(writer=Writer("It is late."), character_seconds=0.05)
    async with house(script) as parley, listening(parley, SessionConfig(greeting=GREETING)) as listener:
        await listener.until(ReplyStarted)
        await listener.send(UserText("what time is it?"))
        await listener.until(FlushPlayback)
        report = await listener.until(TurnReport, lambda event: event.turn == 1)
    assert report.heard == "It is late."


async def test_a_minute_of_silence_changes_nothing() -> None:
    async with house() as parley, listening(parley) as listener:
        await listener.speak(60.0, SILENCE)
        await listener.say_something()
        report = await listener.until(TurnReport)
    assert report.turn == 1
    assert report.transcript == "what time is it"


async def test_a_monologue_of_minutes_is_answered_and_nothing_of_it_is_lost() -> None:
    script = Script(heard=("one thing", "another thing", "a last thing"))
    async with house(script) as parley, listening(parley) as listener:
        await listener.speak(0.2, SILENCE)
        # Faster than this the gateway's queue would be what is tried.
        for _ in range(15):
            await listener.speak(10.0)
            await asyncio.sleep(0)
        await listener.speak(1.4, SILENCE)
        await listener.until(UserUtterance, lambda event: event.text == "a last thing")
        await listener.until(ReplyAudioEnd)
    said = [event.text for event in listener.events if isinstance(event, UserUtterance)]
    assert said == ["one thing", "another thing", "a last thing"]
    told = " ".join(text for role, text in asked(script)[-1] if role is Role.USER)
    assert all(text in told for text in said)


async def test_a_listener_who_never_reads_costs_no_one_else_anything() -> None:
    async with house(Script(writer=Writer(LONG))) as parley, listening(parley) as deaf, listening(parley) as listener:
        await deaf.say_something()
        await listener.say_something()
        report = await listener.until(TurnReport)
    assert report.outcome is Outcome.COMPLETED
    assert not deaf.packets
