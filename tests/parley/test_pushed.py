"""Requests are pushed in their order, at once where there is room, and no further than that."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from parley._pushed import Pushed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Stream:
    """A stream with room for so many messages."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.on_room: Callable[[], None] | None = None
        self.got: list[int] = []

    @property
    def has_room(self) -> bool:
        return self.room > 0

    def push(self, request: int) -> None:
        self.room -= 1
        self.got.append(request)

    def push_later(self, request: int) -> None:
        self.push(-request)

    def make_room(self, messages: int) -> None:
        self.room += messages
        assert self.on_room is not None
        self.on_room()


def test_a_request_goes_out_within_the_call_that_gives_it() -> None:
    sent: list[int] = []
    requests, stream = Pushed(0, sent.append), Stream(room=8)
    requests.attach(stream, int)
    requests.put(1)
    requests.put(2)
    assert stream.got == sent == [1, 2]


def test_what_nobody_waits_for_may_go_later_but_only_where_there_is_room() -> None:
    sent: list[int] = []
    requests, stream = Pushed(0, sent.append), Stream(room=2)
    requests.attach(stream, int)
    requests.put_later(1)
    requests.put(2)
    requests.put_later(3)
    assert stream.got == [-1, 2]
    stream.make_room(1)
    assert stream.got == [-1, 2, 3]
    assert sent == [1, 2, 3]


def test_what_is_put_before_there_is_a_stream_waits_for_it() -> None:
    requests, stream = Pushed(0), Stream(room=8)
    requests.put(1)
    requests.attach(stream, int)
    requests.put(2)
    assert stream.got == [1, 2]


def test_what_finds_no_room_goes_in_its_order_when_there_is_some() -> None:
    sent: list[int] = []
    requests, stream = Pushed(0, sent.append), Stream(room=1)
    requests.attach(stream, int)
    for number in range(1, 6):
        requests.put(number)
    assert stream.got == sent == [1]
    stream.make_room(2)
    assert stream.got == sent == [1, 2, 3]
    stream.make_room(8)
    assert stream.got == [1, 2, 3, 4, 5]


def test_no_more_is_made_of_many_than_there_is_room_for() -> None:
    made: list[int] = []

    def many() -> Iterator[int]:
        for number in range(1, 100):
            made.append(number)
            yield number

    requests, stream = Pushed(0), Stream(room=3)
    requests.attach(stream, int)
    requests.put_all(many())
    requests.put(100)
    assert made == stream.got == [1, 2, 3]
    stream.make_room(2)
    assert made == stream.got == [1, 2, 3, 4, 5]
    stream.make_room(1_000)
    assert stream.got == list(range(1, 101))


async def test_a_stream_that_asks_gets_each_when_it_asks() -> None:
    sent: list[int] = []
    requests = Pushed(0, sent.append)
    requests.put(1)
    requests.put_all(iter((2, 3)))
    asked = aiter(requests)
    assert [await anext(asked) for _ in range(4)] == [0, 1, 2, 3]
    assert sent == [1, 2], "the last one is on its way"
    asyncio.get_running_loop().call_soon(requests.put, 4)
    assert await anext(asked) == 4
    assert sent == [1, 2, 3]
