"""Functions of the listener's, called in the middle of a reply."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from llm_server.engine import Delta, Role, ToolCall
from parley import llm
from parley.conversation import (
    ErrorCode,
    ErrorEvent,
    Event,
    FlushPlayback,
    ReplyStarted,
    SessionConfig,
    ToolRequest,
    TurnReport,
    UserText,
)
from tests.edge_gateway.rig import SILENCE, Caller, Listener, Script, house, listening

LIGHT = llm.Tool("light", "Switches a light.", '{"type": "object", "properties": {"on": {"type": "boolean"}}}')
WITH_LIGHT = SessionConfig(tools=(LIGHT,))
SWITCH = ToolCall("a", "light", '{"on": true}')


async def test_a_function_is_called_and_its_result_is_spoken_of() -> None:
    writer = Caller((SWITCH,), (Delta("The light is on."),))
    async with house(Script(writer=writer)) as parley, listening(parley, WITH_LIGHT) as listener:
        await listener.send(UserText("turn on the light"))
        request = await listener.until(ToolRequest)
        await listener.send(llm.ToolResult(request.call.id, "done"))
        report = await listener.until(TurnReport)
    assert (request.call.name, request.call.arguments_json) == ("light", '{"on": true}')
    assert report.heard == "The light is on."
    assert report.model == "small@here"
    assert writer.asked[1].messages[-1].text == "done"


async def test_two_functions_run_side_by_side_and_may_answer_in_any_order() -> None:
    fan = llm.Tool("fan", "Switches a fan.")
    writer = Caller((SWITCH, ToolCall("b", "fan", "{}")), (Delta("Both are on."),))
    config = SessionConfig(tools=(LIGHT, fan))
    async with house(Script(writer=writer)) as parley, listening(parley, config) as listener:
        await listener.send(UserText("turn on everything"))
        first, second = await listener.until(ToolRequest), await listener.until(ToolRequest)
        await listener.send(llm.ToolResult(second.call.id, "fan done"))
        await listener.send(llm.ToolResult(first.call.id, "light failed", failed=True))
        await listener.until(TurnReport)
    told = [message.text for message in writer.asked[1].messages if message.role is Role.TOOL]
    assert told == ["Error: light failed", "fan done"]


async def test_the_same_call_twice_is_made_once_and_answered_twice() -> None:
    writer = Caller((SWITCH, ToolCall("b", SWITCH.name, SWITCH.arguments_json)), (Delta("It is on."),))
    async with house(Script(writer=writer)) as parley, listening(parley, WITH_LIGHT) as listener:
        await listener.send(UserText("turn on the light"))
        request = await listener.until(ToolRequest)
        await nothing_of(ToolRequest, listener, 0.3)
        await listener.send(llm.ToolResult(request.call.id, "done"))
        await listener.until(TurnReport)
    assert [m.text for m in writer.asked[1].messages if m.role is Role.TOOL] == ["done", "done"]


@pytest.mark.parametrize("answered_before", [True, False])
async def test_a_reply_that_is_written_again_calls_nothing_again(answered_before: bool) -> None:  # noqa: FBT001 - pytest names it
    asks, ends = (Delta("I look."), SWITCH), (Delta("It is on."),)
    rounds = (asks, ends, asks, ends) if answered_before else (asks, asks, ends)
    script = Script(writer=Caller(*rounds), sound_delay_seconds=60)
    async with house(script) as parley, listening(parley, WITH_LIGHT) as listener:
        await listener.send(UserText("turn on the light"))
        request = await listener.until(ToolRequest)
        if answered_before:
            await listener.send(llm.ToolResult(request.call.id, "done"))
        error = await listener.until(ErrorEvent)
        if not answered_before:
            await listener.until(ReplyStarted)
            await listener.send(llm.ToolResult(request.call.id, "done"))
        report = await listener.until(TurnReport)
    assert error.hop == "tts"
    assert report.heard.endswith("It is on.")
    assert len([event for event in listener.events if isinstance(event, ToolRequest)]) == 1


async def test_who_waits_long_for_a_function_is_told_that_there_is_something_to_wait_for() -> None:
    writer = Caller((SWITCH,), (Delta("The light is on."),))
    async with house(Script(writer=writer)) as parley, listening(parley, WITH_LIGHT) as listener:
        await listener.send(UserText("turn on the light"))
        request = await listener.until(ToolRequest)
        await listener.until(ReplyStarted)
        await listener.send(llm.ToolResult(request.call.id, "done"))
        report = await listener.until(TurnReport)
    assert report.heard == "One moment. The light is on."


async def test_what_was_said_before_a_function_is_spoken_while_it_runs() -> None:
    writer = Caller((Delta("Let me see"), SWITCH), (Delta("The light is on."),))
    async with house(Script(writer=writer)) as parley, listening(parley, WITH_LIGHT) as listener:
        await listener.send(UserText("turn on the light"))
        request = await listener.until(ToolRequest)
        await listener.until(ReplyStarted)
        await listener.send(llm.ToolResult(request.call.id, "done"))
        report = await listener.until(TurnReport)
    assert report.heard == "Let me see The light is on."


async def test_no_function_is_called_in_secret() -> None:
    writer = Caller((SWITCH,), (Delta("The light is on."),))
    script = Script(heard=("turn on the light",), writer=writer)
    async with house(script) as parley, listening(parley, WITH_LIGHT) as listener:
        await listener.speak(0.2, SILENCE)
        await listener.speak(0.8)
        # Silence enough for a head start, and not for the end of the turn.
        await listener.speak(0.4, SILENCE)
        await nothing_of(ToolRequest, listener, 1.0)
        assert writer.asked, "the model has been asked ahead"
        await listener.speak(1.4, SILENCE)
        request = await listener.until(ToolRequest)
        await listener.send(llm.ToolResult(request.call.id, "done"))
        assert (await listener.until(TurnReport)).head_start


async def nothing_of(kind: type[Event], listener: Listener, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await listener.until(kind)
            pytest.fail(f"{kind.__name__} came")


async def test_a_result_that_comes_after_an_interruption_changes_nothing() -> None:
    writer = Caller((Delta("Let me see what there is to be done about it."), SWITCH), (Delta("Sure."),))
    script = Script(writer=writer, character_seconds=0.05)
    async with house(script) as parley, listening(parley, WITH_LIGHT) as listener:
        await listener.send(UserText("turn on the light"))
        request = await listener.until(ToolRequest)
        await listener.until(ReplyStarted)
        await listener.send(UserText("no, leave it"))
        await listener.until(FlushPlayback)
        await listener.send(llm.ToolResult(request.call.id, "done"))
        report = await listener.until(TurnReport, lambda report: report.transcript == "no, leave it")
    assert report.heard == "Sure."
    assert not [event for event in listener.events if isinstance(event, ErrorEvent)]


@pytest.mark.parametrize("name", ["", "7:a", "light", "x:a"])
async def test_a_result_of_nothing_is_refused_and_the_session_goes_on(name: str) -> None:
    writer = Caller((Delta("Yes."),))
    async with house(Script(writer=writer)) as parley, listening(parley, WITH_LIGHT) as listener:
        await listener.send(llm.ToolResult(name, "done"))
        error = await listener.until(ErrorEvent)
        await listener.send(UserText("are you there"))
        assert (await listener.until(TurnReport)).heard == "Yes."
    assert (error.code, error.field) == (ErrorCode.INVALID_INPUT, "tool_result.tool_call_id")
    assert not error.ends_session


async def test_a_function_that_cannot_be_offered_is_refused_at_once() -> None:
    async with house() as parley, listening(parley) as listener:
        await listener.send(SessionConfig(tools=(llm.Tool("turn on", ""),)))
        error = await listener.until(ErrorEvent)
    assert (error.code, error.field) == (ErrorCode.INVALID_INPUT, "configure.tools[0].name")
