"""A model that calls functions in the middle of a reply, over a real port."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from llm_server.builtin_tools import builtin_tools
from llm_server.engine import Conversation, Delta, Finish, Message, Role, StopReason, ToolCall
from llm_server.engines.scripted import ScriptedEngine
from parley import llm
from parley.errors import InvalidInput, WrongState
from tests.llm_server.test_service import HELLO, Patient, asked, serving

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable


class Caller(ScriptedEngine):
    """Writes what it is told for each round, and keeps what it was asked."""

    calls_tools = True
    ignores_instructions = False

    def __init__(self, *rounds: tuple[Delta | ToolCall, ...]) -> None:
        super().__init__("", 0, 0)
        self.rounds = list(rounds)
        self.asked: list[Conversation] = []

    async def reply(self, conversation: Conversation) -> AsyncGenerator[Delta | ToolCall | Finish, None]:
        self.asked.append(conversation)
        events = self.rounds.pop(0) if len(self.rounds) > 1 else self.rounds[0]
        for event in events:
            yield event
        calls = any(isinstance(event, ToolCall) for event in events)
        yield Finish(StopReason.TOOL_CALLS if calls else StopReason.STOP, 10, 5)


LIGHT = llm.Tool("light", "Switches a light.", '{"type": "object", "properties": {"on": {"type": "boolean"}}}')
SWITCH = ToolCall("a", "light", '{"on": true}')


async def test_a_function_of_the_caller_is_called_in_the_middle_of_a_reply() -> None:
    engine = Caller((Delta("Let me see."), SWITCH), (Delta("It is on."),))
    config = llm.Config(HELLO, tools=(LIGHT,))
    async with serving(engine) as house:
        seen = await talked(house.client, config, lambda call: llm.ToolResult(call.id, "the light is on"))
        spans = [span.name for span in house.spans.get_finished_spans()]
    assert llm.ToolCall("a", "light", '{"on": true}') in seen
    assert "".join(event.text for event in seen if isinstance(event, llm.Delta)) == "Let me see. It is on."
    finished = seen[-1]
    assert isinstance(finished, llm.Finished)
    assert (finished.reason, finished.completion_tokens) == (llm.FinishReason.STOP, 10)
    assert engine.asked[0].tools[0].parameters["type"] == "object"
    assert engine.asked[1].messages[1:] == (
        Message(Role.ASSISTANT, "Let me see.", tool_calls=(SWITCH,)),
        Message(Role.TOOL, "the light is on", tool_call_id="a"),
    )
    assert "execute_tool light" in spans


async def test_a_function_of_the_servers_own_is_called_without_the_caller() -> None:
    engine = Caller((ToolCall("a", "arithmetic", '{"expression": "6 * 7"}'),), (Delta("It is 42."),))
    async with serving(engine, builtin_tools=builtin_tools("arithmetic")) as house:
        events = await asked(house.client, llm.Config(HELLO))
    assert not any(isinstance(event, llm.ToolCall) for event in events)
    assert engine.asked[1].messages[-1] == Message(Role.TOOL, "42", tool_call_id="a")
    assert [event for event in events if isinstance(event, llm.ToolUse)] == [
        llm.ToolUse("arithmetic", '{"expression": "6 * 7"}', "42", failed=False)
    ]


async def test_the_caller_hears_of_a_function_before_the_words_that_came_of_it_also_of_one_that_failed() -> None:
    engine = Caller((ToolCall("a", "arithmetic", '{"expression": "1/0"}'),), (Delta("That cannot be."),))
    async with serving(engine, builtin_tools=builtin_tools("arithmetic")) as house:
        events = await asked(house.client, llm.Config(HELLO))
    told = [event for event in events if isinstance(event, llm.ToolUse | llm.Delta)]
    assert told == [
        llm.ToolUse("arithmetic", '{"expression": "1/0"}', "nothing can be divided by zero", failed=True),
        llm.Delta("That cannot be."),
    ]


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (ToolCall("a", "light", "{}"), "Error: there is no function light"),
        (ToolCall("a", "arithmetic", "{"), "Error: the arguments are no JSON"),
        (ToolCall("a", "arithmetic", '{"expression": "1/0"}'), "Error: nothing can be divided by zero"),
    ],
)
async def test_the_model_is_told_what_went_wrong_with_a_function(call: ToolCall, told: str) -> None:
    engine = Caller((call,), (Delta("That did not work."),))
    async with serving(engine, builtin_tools=builtin_tools("arithmetic")) as house:
        await asked(house.client, llm.Config(HELLO))
    assert engine.asked[1].messages[-1].text.startswith(told)


async def test_a_model_that_calls_functions_for_ever_has_to_speak_at_last() -> None:
    engine = Caller((ToolCall("a", "time", "{}"),))
    async with serving(engine, builtin_tools=builtin_tools("time")) as house:
        events = await asked(house.client, llm.Config(HELLO))
    assert isinstance(events[-1], llm.Finished)
    assert [bool(conversation.tools) for conversation in engine.asked] == [True] * 5 + [False]


async def test_a_caller_who_will_not_answer_is_told_so() -> None:
    engine = Caller((SWITCH,))
    async with serving(engine) as house:
        with pytest.raises(WrongState, match="ended before the result"):
            await asked(house.client, llm.Config(HELLO, tools=(LIGHT,)))


async def test_a_result_that_nobody_waits_for_is_refused() -> None:
    async def given() -> AsyncIterator[llm.ToolResult]:
        yield llm.ToolResult("b", "hm")

    async with serving(Patient()) as house, house.client.chat(llm.Config(HELLO), given()) as events:
        with pytest.raises(InvalidInput, match="no call 'b' waits") as caught:
            async for _ in events:
                pass
    assert caught.value.field == "tool_result.tool_call_id"


async def test_an_engine_that_cannot_call_functions_says_so() -> None:
    async with serving(ScriptedEngine("Hi.", 0, 0)) as house:
        with pytest.raises(InvalidInput, match="the engine scripted cannot call functions") as caught:
            await asked(house.client, llm.Config(HELLO, tools=(LIGHT,)))
    assert caught.value.field == "config.tools"


async def test_a_function_of_the_caller_goes_before_one_of_the_server_with_its_name() -> None:
    engine = Caller((ToolCall("a", "time", "{}"),), (Delta("It is late."),))
    config = llm.Config(HELLO, tools=(llm.Tool("time", "Tells the time on Mars."),))
    async with serving(engine, builtin_tools=builtin_tools("time")) as house:
        await talked(house.client, config, lambda call: llm.ToolResult(call.id, "noon on Mars"))
    assert engine.asked[1].messages[-1].text == "noon on Mars"
    assert [tool.description for tool in engine.asked[0].tools] == ["Tells the time on Mars."]


async def test_who_closes_after_a_result_gets_the_rest_of_the_reply() -> None:
    engine = Caller((SWITCH,), (ToolCall("b", "light", "{}"),), (Delta("It is on."),))
    calls: list[llm.ToolCall] = []
    results: asyncio.Queue[llm.ToolResult] = asyncio.Queue()

    async def one() -> AsyncIterator[llm.ToolResult]:
        yield await results.get()

    async with serving(engine) as house, house.client.chat(llm.Config(HELLO, tools=(LIGHT,)), one()) as events:
        text = ""
        async for event in events:
            if isinstance(event, llm.ToolCall):
                calls.append(event)
                results.put_nowait(llm.ToolResult(event.id, "done"))
            text += event.text if isinstance(event, llm.Delta) else ""
    assert text == "It is on."
    assert calls[0].id == "a"
    assert engine.asked[2].messages[-1].text == "Error: functions can no longer be called"


async def test_calls_that_a_model_gives_one_name_get_a_result_each() -> None:
    other = ToolCall("a", "light", '{"on": false}')
    engine = Caller((SWITCH, other), (ToolCall("a", "light", '{"on": true}'),), (Delta("Done."),))
    async with serving(engine) as house:
        await talked(
            house.client, llm.Config(HELLO, tools=(LIGHT,)), lambda call: llm.ToolResult(call.id, call.arguments_json)
        )
    told = [(m.tool_call_id, m.text) for m in engine.asked[2].messages if m.role is Role.TOOL]
    assert [text for _, text in told] == ['{"on": true}', '{"on": false}', '{"on": true}']
    assert len({name for name, _ in told}) == 3
    assert [call.id for m in engine.asked[2].messages for call in m.tool_calls] == [name for name, _ in told]


async def talked(
    client: llm.LlmClient, config: llm.Config, answer: Callable[[llm.ToolCall], llm.ToolResult]
) -> list[llm.Event]:
    """All that comes when each call is answered at once."""
    results: asyncio.Queue[llm.ToolResult] = asyncio.Queue()

    async def given() -> AsyncIterator[llm.ToolResult]:
        while True:
            yield await results.get()

    seen: list[llm.Event] = []
    async with client.chat(config, given()) as events:
        async for event in events:
            seen.append(event)
            if isinstance(event, llm.ToolCall):
                results.put_nowait(answer(event))
    return seen
