"""A program that says no more, but listens: what it said is answered, and the call ends when the reply was heard."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from parley.conversation import (
    ErrorCode,
    ErrorEvent,
    Event,
    Outcome,
    ReplyAudioEnd,
    ReplyFinished,
    ReplyStarted,
    SessionConfig,
    SessionReady,
    TurnReport,
    TurnTaking,
    UserDiscarded,
    UserSpeechStarted,
    UserText,
)
from tests.edge_gateway.own_clock import OwnClock
from tests.edge_gateway.program import Program, calling, grpc_client
from tests.edge_gateway.rig import (
    SILENCE,
    Script,
    Writer,
    gateway,
    house,
    serve_asr,
    serve_llm,
    serve_tts,
)

if TYPE_CHECKING:
    from collections.abc import Iterable


async def to_the_end(program: Program) -> list[Event]:
    """Everything that comes until the gateway ends the call."""
    while True:
        try:
            await program.next()
        except EOFError:
            return program.events


def kinds(events: Iterable[Event]) -> list[str]:
    of_reply = ReplyStarted | ReplyAudioEnd | ReplyFinished | TurnReport | ErrorEvent
    return [type(event).__name__ for event in events if isinstance(event, of_reply)]


WHOLE_REPLY = ["ReplyStarted", "ReplyAudioEnd", "ReplyFinished", "TurnReport"]


@pytest.mark.parametrize("when", ["at once", "when the session is ready", "when the reply is heard"])
async def test_typed_words_are_answered_to_the_end_whenever_the_client_closes_its_half(when: str) -> None:
    async with house() as parley, grpc_client(parley) as client, calling(client) as program:
        await program.send(SessionConfig())
        if when == "when the session is ready":
            await program.until(SessionReady)
        await program.send(UserText("what time is it"))
        if when == "when the reply is heard":
            await program.until(ReplyStarted)
        program.say_no_more()
        events = await to_the_end(program)
    assert kinds(events) == WHOLE_REPLY
    assert isinstance(report := events[-1], TurnReport) or isinstance(report := events[-2], TurnReport)
    assert (report.transcript, report.heard) == ("what time is it", "It is late. Good night.")
    assert program.packets


@pytest.mark.parametrize("silence_seconds", [0.0, 0.3, 1.4])
@pytest.mark.parametrize("head_start", [True, False])
async def test_what_was_spoken_last_is_answered_to_the_end(
    silence_seconds: float,
    head_start: bool,  # noqa: FBT001 - pytest names it
) -> None:
    config = SessionConfig(turn_taking=TurnTaking(head_start=head_start))
    async with house() as parley, grpc_client(parley) as client, calling(client) as program:
        await program.send(config)
        await program.speak(0.2, SILENCE)
        await program.speak(0.8)
        await program.speak(silence_seconds, SILENCE)
        program.say_no_more()
        events = await to_the_end(program)
    (report,) = (event for event in events if isinstance(event, TurnReport))
    assert kinds(events) == WHOLE_REPLY
    assert (report.transcript, report.outcome) == ("what time is it", Outcome.COMPLETED)


async def test_a_greeting_is_heard_to_the_end() -> None:
    async with house() as parley, grpc_client(parley) as client, calling(client) as program:
        await program.send(SessionConfig(greeting="Hello there."))
        program.say_no_more()
        events = await to_the_end(program)
    assert kinds(events) == WHOLE_REPLY


async def test_a_call_in_which_nothing_was_said_ends_at_once() -> None:
    async with house() as parley, grpc_client(parley) as client, calling(client) as program:
        await program.send(SessionConfig())
        program.say_no_more()
        events = await to_the_end(program)
    assert isinstance(events[0], SessionReady)
    assert kinds(events) == []


@pytest.mark.parametrize(
    "config", [SessionConfig(voice="nobody"), SessionConfig(language="tlh")], ids=["by the gateway", "by the asr"]
)
async def test_a_call_whose_configuration_is_refused_ends_with_the_refusal(config: SessionConfig) -> None:
    async with house() as parley, grpc_client(parley) as client, calling(client) as program:
        await program.send(config)
        program.say_no_more()
        events = await to_the_end(program)
    (error,) = events
    assert isinstance(error, ErrorEvent)
    assert error.code is ErrorCode.INVALID_INPUT


async def test_words_that_no_server_hears_do_not_keep_the_call() -> None:
    clock, script = OwnClock(), Script(writer=Writer("Never asked."))
    async with AsyncExitStack() as stack:
        written, spoken = await serve_llm(stack, script), await serve_tts(stack, script)
        async with AsyncExitStack() as first:
            address = await serve_asr(first, script)
            parley = await stack.enter_async_context(gateway(script, (address, written, spoken)))
            client = await stack.enter_async_context(grpc_client(parley))
            program = await stack.enter_async_context(calling(client))
            await program.send(SessionConfig())
            await program.speak(0.8)
            await program.until(UserSpeechStarted)
        await program.until(ErrorEvent)
        program.say_no_more()
        async with asyncio.TaskGroup() as tasks:
            passing = tasks.create_task(clock.advance(60.0))
            events = await to_the_end(program)
            passing.cancel()
    assert [event.turn for event in events if isinstance(event, UserDiscarded)] == [1]
    assert [event.code for event in events if isinstance(event, ErrorEvent)] == [
        ErrorCode.UNAVAILABLE,
        ErrorCode.AUDIO_LOST,
    ]
