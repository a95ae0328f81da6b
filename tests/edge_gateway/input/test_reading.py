"""Reading a stream is stopped between two events, never while one is acted on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from edge_gateway.input.reading import Reading
from tests.virtual_time import on_virtual_time, passed, settled

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Stream:
    """Events as a test says them, and what was done about them."""

    def __init__(self, act_seconds: float = 0.0) -> None:
        self.events: asyncio.Queue[str] = asyncio.Queue()
        self.begun: list[str] = []
        self.done: list[str] = []
        self.reading = Reading()
        self._act_seconds = act_seconds

    async def read(self) -> None:
        async with self.reading:
            await self.reading.each(self._each(), self._act, self.between)

    def between(self) -> None:
        """Nothing happens there."""

    async def _each(self) -> AsyncIterator[str]:
        while True:
            yield await self.events.get()

    async def _act(self, event: str) -> None:
        self.begun.append(event)
        await passed(self._act_seconds)
        self.done.append(event)


@on_virtual_time
async def test_who_waits_for_an_event_is_stopped_at_once() -> None:
    stream = Stream()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(60):
            asyncio.get_running_loop().call_later(1, stream.reading.stop)
            await stream.read()
    assert not stream.begun


@on_virtual_time
async def test_who_acts_on_an_event_is_not_stopped() -> None:
    stream = Stream(act_seconds=2)
    stopped: list[bool] = []
    stream.events.put_nowait("one")
    for after_seconds in (1, 3):
        asyncio.get_running_loop().call_later(after_seconds, lambda: stopped.append(stream.reading.stop()))
    with pytest.raises(TimeoutError):
        await stream.read()
    assert (stopped, stream.done) == ([False, True], ["one"])


@on_virtual_time
async def test_an_event_that_comes_with_a_stop_is_not_acted_on_by_halves() -> None:
    stream = Stream(act_seconds=1)

    def both() -> None:
        stream.events.put_nowait("one")
        stream.reading.stop()

    asyncio.get_running_loop().call_later(1, both)
    with pytest.raises(TimeoutError):
        await stream.read()
    assert stream.begun == stream.done


@on_virtual_time
async def test_reading_may_be_stopped_by_itself_between_two_events() -> None:
    class Leaves(Stream):
        def between(self) -> None:
            assert self.reading.stop()

    stream = Leaves(act_seconds=1)
    for event in ("one", "two"):
        stream.events.put_nowait(event)
    with pytest.raises(TimeoutError):
        await stream.read()
    assert stream.done == ["one"]


@on_virtual_time
async def test_who_is_cancelled_is_cancelled_and_not_stopped() -> None:
    stream = Stream()
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(stream.read())
        await settled()
        stream.reading.stop()
        task.cancel()
    assert task.cancelled()


@on_virtual_time
async def test_what_is_over_cannot_be_stopped() -> None:
    stream = Stream()
    with pytest.raises(TimeoutError):
        asyncio.get_running_loop().call_later(1, stream.reading.stop)
        await stream.read()
    assert not stream.reading.stop()
