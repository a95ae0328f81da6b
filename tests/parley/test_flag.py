"""A flag does for those who wait what an event of asyncio does."""

from __future__ import annotations

import asyncio

from parley._flag import Flag
from tests.virtual_time import on_virtual_time, settled


@on_virtual_time
async def test_all_who_wait_go_on_when_it_is_set() -> None:
    flag = Flag()
    async with asyncio.TaskGroup() as tasks:
        waiting = [tasks.create_task(flag.wait()) for _ in range(3)]
        await settled()
        assert not any(each.done() for each in waiting)
        flag.set()
        await settled()
        assert all(each.done() for each in waiting)


@on_virtual_time
async def test_who_comes_when_it_is_set_does_not_wait() -> None:
    flag = Flag()
    flag.set()
    await flag.wait()
    assert flag.is_set()


@on_virtual_time
async def test_who_comes_after_it_was_cleared_waits_for_the_next_time() -> None:
    flag = Flag()
    flag.set()
    flag.clear()
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(flag.wait())
        await settled()
        assert not flag.is_set()
        assert not waiting.done()
        flag.set()


@on_virtual_time
async def test_who_waited_goes_on_though_it_was_cleared_at_once() -> None:
    flag = Flag()
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(flag.wait())
        await settled()
        flag.set()
        flag.clear()
        await settled()
        assert waiting.done()


@on_virtual_time
async def test_who_is_cancelled_keeps_no_other_from_going_on() -> None:
    flag = Flag()
    async with asyncio.TaskGroup() as tasks:
        cancelled, waiting = tasks.create_task(flag.wait()), tasks.create_task(flag.wait())
        await settled()
        cancelled.cancel()
        flag.set()
        await settled()
        assert cancelled.cancelled()
        assert waiting.done()
        assert not waiting.cancelled()
