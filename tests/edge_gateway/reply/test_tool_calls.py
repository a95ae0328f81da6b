"""Functions that a model wants called: asked of the client once, named for it, and answered under the model's names."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_gateway.reply.tool_calls import CallLedger, CallRecord, ToolCalls
from parley.errors import InvalidInput
from parley.llm import ToolCall, ToolResult
from tests.virtual_time import on_virtual_time, run, settled

LIGHT_ON = ToolCall("a", "light", '{"on": true}')


class Client:
    """A client that is asked for functions, and a model that takes their results."""

    def __init__(self) -> None:
        self.ledger = CallLedger()
        self.asked: list[ToolCall] = []
        self.certain = asyncio.Event()
        self.certain.set()

    def calls(self, reply: int, carried: tuple[CallRecord, ...] = ()) -> ToolCalls:
        """The calls of a reply."""
        return ToolCalls(reply, self.ledger, self._certain, self._ask, carried)

    async def _certain(self) -> None:
        await self.certain.wait()

    async def _ask(self, call: ToolCall) -> None:
        self.asked.append(call)


async def call(tools: ToolCalls, wanted: ToolCall) -> None:
    """The model wants a function called, as `Generation` has it done."""
    record = tools.enter(wanted)
    if record is not None:
        await tools.ask(record)


async def results_of(tools: ToolCalls) -> list[tuple[str, str]]:
    """What the model has been given so far: its name of the call, and the result."""
    given: list[tuple[str, str]] = []
    results = aiter(tools.results())
    with suppress(TimeoutError):
        while True:
            async with asyncio.timeout(0.001):
                result = await anext(results)
            given.append((result.tool_call_id, result.content))
    return given


@on_virtual_time
async def test_a_function_is_asked_for_by_a_name_of_the_session_and_answered_by_the_models() -> None:
    client = Client()
    tools = client.calls(3)
    await call(tools, LIGHT_ON)
    assert client.asked == [ToolCall("3:1", "light", '{"on": true}')]
    waits = [tools.waits]
    tools.deliver(client.ledger.answer(ToolResult("3:1", "done")))
    # The model has it only when it has taken it.
    waits.append(tools.waits)
    assert await results_of(tools) == [("a", "done")]
    waits.append(tools.waits)
    assert waits == [True, True, False]


@on_virtual_time
async def test_models_that_number_each_round_from_one_never_name_two_calls_alike() -> None:
    client = Client()
    first, second = client.calls(1), client.calls(12)
    for tools in (first, second, first):
        await call(tools, ToolCall("1", "light", f'{{"step": {len(client.asked)}}}'))
    assert [call.id for call in client.asked] == ["1:1", "12:1", "1:2"]


@on_virtual_time
async def test_the_same_function_with_the_same_arguments_is_called_once_and_answers_everyone() -> None:
    client = Client()
    tools = client.calls(1)
    await call(tools, LIGHT_ON)
    await call(tools, ToolCall("b", LIGHT_ON.name, LIGHT_ON.arguments_json))
    assert len(client.asked) == 1
    tools.deliver(client.ledger.answer(ToolResult("1:1", "done")))
    await call(tools, ToolCall("c", LIGHT_ON.name, LIGHT_ON.arguments_json))
    assert len(client.asked) == 1
    assert await results_of(tools) == [("a", "done"), ("b", "done"), ("c", "done")]
    assert not tools.waits


@pytest.mark.parametrize("other", [ToolCall("b", "fan", '{"on": true}'), ToolCall("b", "light", '{"on": false}')])
@on_virtual_time
async def test_another_function_or_other_arguments_are_another_call(other: ToolCall) -> None:
    client = Client()
    tools = client.calls(1)
    await call(tools, LIGHT_ON)
    await call(tools, other)
    assert [call.id for call in client.asked] == ["1:1", "1:2"]
    tools.deliver(client.ledger.answer(ToolResult("1:2", "second")))
    assert tools.waits
    assert await results_of(tools) == [("b", "second")]


@on_virtual_time
async def test_what_was_called_for_the_same_words_before_is_not_called_again() -> None:
    client = Client()
    before = client.calls(1)
    await call(before, LIGHT_ON)
    client.ledger.answer(ToolResult("1:1", "done"))
    again = client.calls(2, before.asked)
    await call(again, ToolCall("x", LIGHT_ON.name, LIGHT_ON.arguments_json))
    assert len(client.asked) == 1
    assert await results_of(again) == [("x", "done")]
    assert [record.call.id for record in again.asked] == ["1:1"]


@on_virtual_time
async def test_a_result_that_was_on_its_way_reaches_the_reply_that_was_asked_anew() -> None:
    client = Client()
    before = client.calls(1)
    await call(before, LIGHT_ON)
    again = client.calls(2, before.asked)
    await call(again, ToolCall("x", LIGHT_ON.name, LIGHT_ON.arguments_json))
    assert again.waits
    assert await results_of(again) == []
    again.deliver(client.ledger.answer(ToolResult("1:1", "done")))
    assert await results_of(again) == [("x", "done")]
    assert len(client.asked) == 1


@on_virtual_time
async def test_a_result_that_nobody_waits_for_is_kept_and_given_to_nobody() -> None:
    client = Client()
    tools = client.calls(1)
    await call(tools, LIGHT_ON)
    over = client.calls(2)
    over.deliver(client.ledger.answer(ToolResult("1:1", "late")))
    assert await results_of(over) == []
    [record] = tools.asked
    assert record.result == ToolResult("1:1", "late")


@on_virtual_time
async def test_a_second_answer_to_a_call_changes_nothing() -> None:
    client = Client()
    tools = client.calls(1)
    await call(tools, LIGHT_ON)
    for content in ("first", "second"):
        tools.deliver(client.ledger.answer(ToolResult("1:1", content)))
    assert await results_of(tools) == [("a", "first")]
    assert [record.result for record in tools.asked] == [ToolResult("1:1", "first")]


@on_virtual_time
async def test_nothing_is_called_before_the_reply_is_certain() -> None:
    client = Client()
    client.certain.clear()
    tools = client.calls(1)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(call(tools, LIGHT_ON))
        await settled()
        assert (client.asked, tools.asked) == ([], ())
        assert tools.waits
        with pytest.raises(InvalidInput, match="1:1"):
            client.ledger.answer(ToolResult("1:1", "a guess"))
        client.certain.set()
    assert [record.call.id for record in tools.asked] == ["1:1"]


@on_virtual_time
async def test_a_call_of_a_reply_that_never_became_certain_is_not_carried_over() -> None:
    client = Client()
    client.certain.clear()
    tools = client.calls(1)
    async with asyncio.TaskGroup() as tasks:
        calling = tasks.create_task(call(tools, LIGHT_ON))
        await settled()
        calling.cancel()
    client.certain.set()
    again = client.calls(2, tools.asked)
    await call(again, LIGHT_ON)
    assert [call.id for call in client.asked] == ["2:1"]


@pytest.mark.parametrize("name", ["", "a", "light", "1:2", "2:1", "1:1 "])
@on_virtual_time
async def test_an_answer_to_nothing_is_refused_by_its_name(name: str) -> None:
    client = Client()
    await call(client.calls(1), LIGHT_ON)
    with pytest.raises(InvalidInput) as refused:
        client.ledger.answer(ToolResult(name, "done"))
    assert repr(name) in str(refused.value)
    assert refused.value.field == "tool_result.tool_call_id"


@on_virtual_time
async def test_a_thousand_calls_can_still_be_answered() -> None:
    client = Client()
    for reply in range(1, 1_002):
        await call(client.calls(reply), LIGHT_ON)
    client.ledger.answer(ToolResult("2:1", "done"))
    with pytest.raises(InvalidInput):
        client.ledger.answer(ToolResult("1:1", "done"))


@given(
    steps=st.lists(st.tuples(st.sampled_from(["call", "answer", "ask anew"]), st.integers(0, 3)), max_size=30),
)
@settings(deadline=None)
def test_in_any_order_each_call_is_made_once_and_each_wish_answered_once(steps: list[tuple[str, int]]) -> None:
    async def talk() -> None:
        client = Client()
        tools, wishes, number = client.calls(1), dict[str, str](), 1
        for step, which in steps:
            if step == "call":
                name, arguments = f"wish {len(wishes)}", f'{{"which": {which}}}'
                wishes[name] = arguments
                await call(tools, ToolCall(name, "light", arguments))
            elif step == "answer" and which < len(client.asked):
                asked = client.asked[which]
                tools.deliver(client.ledger.answer(ToolResult(asked.id, asked.arguments_json)))
            elif step == "ask anew":
                number += 1
                tools, wishes = client.calls(number, tools.asked), {}
        assert len({call.arguments_json for call in client.asked}) == len(client.asked)
        for asked in client.asked:
            tools.deliver(client.ledger.answer(ToolResult(asked.id, asked.arguments_json)))
        assert sorted(await results_of(tools)) == sorted(wishes.items())
        assert not tools.waits

    run(talk())
