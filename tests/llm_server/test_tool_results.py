"""Results of functions, and whoever waits for them."""

from __future__ import annotations

import asyncio

import pytest

from llm_server.engine import ToolCall
from llm_server.tool_results import PendingResults, ToolResult
from parley.errors import InvalidInput, WrongState

CALL, OTHER = ToolCall("a", "light", "{}"), ToolCall("b", "light", "{}")


async def test_a_result_may_come_before_anybody_waits_for_it() -> None:
    results = PendingResults()
    results.expect(CALL)
    results.take("a", ToolResult("on"))
    results.close()
    assert await results.result(CALL) == ToolResult("on")


async def test_a_second_result_changes_nothing() -> None:
    results = PendingResults()
    results.expect(CALL)
    results.take("a", ToolResult("on"))
    results.take("a", ToolResult("off"))
    assert await results.result(CALL) == ToolResult("on")


async def test_a_result_that_comes_too_late_changes_nothing() -> None:
    results = PendingResults(seconds=0.001)
    results.expect(CALL)
    late = await results.result(CALL)
    assert late == ToolResult("light has not answered for 0.001 seconds", failed=True)
    results.take("a", ToolResult("on"))
    assert await results.result(CALL) == late


async def test_who_waits_when_the_caller_closes_without_any_result_is_told_so() -> None:
    results = PendingResults()
    results.expect(CALL)
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(told(results, CALL))
        await asyncio.sleep(0)
        results.close()
    assert "ended before the result" in waiting.result()
    results.expect(OTHER)
    assert "ended before the result" in await told(results, OTHER)


async def test_when_the_caller_closes_after_a_result_other_calls_only_fail() -> None:
    results, later = PendingResults(), ToolCall("c", "light", "{}")
    for call in (CALL, OTHER):
        results.expect(call)
    results.take("a", ToolResult("on"))
    results.close()
    results.expect(later)
    assert [await results.result(call) for call in (CALL, OTHER, later)] == [
        ToolResult("on"),
        ToolResult("functions can no longer be called", failed=True),
        ToolResult("functions can no longer be called", failed=True),
    ]


async def told(results: PendingResults, call: ToolCall) -> str:
    with pytest.raises(WrongState) as caught:
        await results.result(call)
    return str(caught.value)


def test_a_result_of_no_call_is_refused() -> None:
    with pytest.raises(InvalidInput, match="no call 'b' waits"):
        PendingResults().take("b", ToolResult("on"))
