"""Requests that wait: one is gone through at a time, and while the engine works so many come in, and no more."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from asr_server.backlog import Backlog

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    Requests = AsyncIterator[str]


async def next_of(requests: Requests) -> str:
    return await anext(requests)


async def waits(task: asyncio.Task[None]) -> bool:
    """Whether a task is still waiting when everything that can be done has been done."""
    for _ in range(5):
        await asyncio.sleep(0)
    return not task.done()


async def test_the_next_request_comes_in_when_the_one_before_has_been_gone_through() -> None:
    backlog: Backlog[str] = Backlog(100)
    requests = backlog.requests()
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        putting = tasks.create_task(backlog.put("one", 10))
        assert await anext(requests) == "one"
        assert await waits(putting)
        following = tasks.create_task(next_of(requests))
        await putting
        tasks.create_task(backlog.put("two", 10))
        assert await following == "two"
        backlog.close()
        with pytest.raises(StopAsyncIteration):
            await anext(requests)


async def test_while_the_engine_works_requests_come_in_up_to_a_limit_and_keep_their_order() -> None:
    backlog: Backlog[str] = Backlog(30)
    requests = backlog.requests()
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        tasks.create_task(backlog.put("one", 10))
        assert await anext(requests) == "one"
        with backlog.engine_works():
            await backlog.put("two", 10)
            full = tasks.create_task(backlog.put("three", 10))
            assert await waits(full), "thirty samples wait"
        assert await waits(full), "the engine has answered, and they have not been gone through"
        assert [await anext(requests), await anext(requests)] == ["two", "three"]
        assert await waits(full)
        backlog.close()
        with pytest.raises(StopAsyncIteration):
            await anext(requests)
        await full


async def test_a_sender_who_is_held_back_goes_on_as_soon_as_the_engine_is_waited_for() -> None:
    backlog: Backlog[str] = Backlog(30)
    requests = backlog.requests()
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        held = tasks.create_task(backlog.put("one", 10))
        assert await anext(requests) == "one"
        assert await waits(held)
        with backlog.engine_works(), backlog.engine_works():
            await held
        again = tasks.create_task(backlog.put("two", 10))
        assert await waits(again)
        assert await anext(requests) == "two"
        backlog.close()
        with pytest.raises(StopAsyncIteration):
            await anext(requests)
