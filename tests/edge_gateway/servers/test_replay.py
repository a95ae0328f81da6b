"""Requests that are told again: all of them to each who asks, in their order, whoever had to be given up before."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

import pytest

from edge_gateway.servers.replay import Replay
from parley.errors import EngineFailed
from tests.virtual_time import on_virtual_time, settled

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Text:
    """Pieces as they are written; a wait for the next may be given up."""

    def __init__(self) -> None:
        self.written: asyncio.Queue[str | None] = asyncio.Queue()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str:
        piece = await self.written.get()
        if piece is None:
            raise StopAsyncIteration
        return piece


async def into(told: list[str], requests: AsyncIterator[str]) -> None:
    told += [request async for request in requests]


@on_virtual_time
async def test_who_asks_again_is_told_all_that_the_one_before_was_told_and_what_follows() -> None:
    text, first, second = Text(), list[str](), list[str]()
    replay = Replay(text)
    async with asyncio.TaskGroup() as tasks:
        text.written.put_nowait("It ")
        given_up = tasks.create_task(into(first, replay.from_the_start()))
        await settled()
        given_up.cancel()
        tasks.create_task(into(second, replay.from_the_start()))
        await settled()
        for piece in ("is ", "late.", None):
            text.written.put_nowait(piece)
    assert second == ["It ", "is ", "late."]


@on_virtual_time
async def test_one_who_still_waits_takes_nothing_away_from_the_next() -> None:
    text, told = Text(), (list[str](), list[str]())
    replay = Replay(text)
    async with asyncio.TaskGroup() as tasks:
        for each in told:
            tasks.create_task(into(each, replay.from_the_start()))
        await settled()
        for piece in ("It ", "is ", "late.", None):
            text.written.put_nowait(piece)
    assert told == (["It ", "is ", "late."],) * 2


@on_virtual_time
async def test_what_the_text_raises_is_raised_to_who_waits_for_it() -> None:
    async def breaks() -> AsyncIterator[str]:
        yield "It "
        raise EngineFailed("no more words")

    requests = Replay(breaks()).from_the_start()
    assert await anext(requests) == "It "
    with pytest.raises(EngineFailed, match="no more words"):
        await anext(requests)
