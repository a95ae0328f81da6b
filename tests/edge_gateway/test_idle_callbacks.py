"""When work that can wait is done: while the event loop is idle, soon before it times out, and then in any case."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from edge_gateway.idle_callbacks import IdleCallbacks

if TYPE_CHECKING:
    from collections.abc import Callable

IDLE, BUSY = 0.0002, 0.005


class Loop:
    """The turns of an event loop, of which a test says how long they take."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.turns = 0
        self.callbacks = IdleCallbacks(lambda: self.seconds)
        self.done: list[tuple[str, int]] = []
        """Work, and the turn in which it was done."""

    def work(self, name: str) -> Callable[[], None]:
        return lambda: self.done.append((name, self.turns))

    async def turn(self, seconds: float, times: int = 1) -> None:
        for _ in range(times):
            self.seconds += seconds
            self.turns += 1
            await asyncio.sleep(0)

    def names(self) -> str:
        return "".join(name for name, _ in self.done)


async def test_an_idle_loop_does_one_piece_in_each_turn_the_first_to_time_out_first() -> None:
    loop = Loop()
    for name, timeout_seconds in (("c", 3.0), ("a", 1.0), ("d", 3.0), ("b", 2.0)):
        loop.callbacks.request(loop.work(name), timeout_seconds)
    await loop.turn(IDLE, 4)
    assert loop.done == [("a", 1), ("b", 2), ("c", 3), ("d", 4)]


async def test_work_waits_for_as_long_as_others_have_something_to_do() -> None:
    loop = Loop()
    loop.callbacks.request(loop.work("a"), 1.0)
    await loop.turn(BUSY, 100)
    assert loop.done == []
    await loop.turn(IDLE)
    assert loop.done == [("a", 101)]


async def test_a_loop_that_is_never_idle_does_two_pieces_in_each_turn_from_soon_before_they_time_out() -> None:
    loop = Loop()
    for name in "abcde":
        loop.callbacks.request(loop.work(name), 0.2)
    await loop.turn(BUSY, 19)
    assert loop.done == []
    await loop.turn(BUSY, 4)
    assert [turn for _, turn in loop.done] == [20, 20, 21, 21, 22]


async def test_what_has_timed_out_is_done_however_much_it_is() -> None:
    loop = Loop()
    for name in "abcde":
        loop.callbacks.request(loop.work(name), 0.2)
    loop.callbacks.request(loop.work("f"), 2.0)
    await loop.turn(0.3)
    assert (loop.names(), {turn for _, turn in loop.done}) == ("abcde", {1})


async def test_work_may_ask_for_more() -> None:
    loop = Loop()

    def first() -> None:
        loop.callbacks.request(loop.work("b"), 0.0)

    loop.callbacks.request(first, 0.0)
    await loop.turn(IDLE, 2)
    assert loop.names() == "b"


async def test_work_that_fails_keeps_no_other_from_being_done() -> None:
    loop, told = Loop(), list[str]()
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: told.append(str(context["exception"])))

    def fails() -> None:
        raise ValueError("no such sound")

    loop.callbacks.request(fails, 0.1)
    loop.callbacks.request(loop.work("b"), 0.2)
    await loop.turn(IDLE, 3)
    assert (loop.names(), told) == ("b", ["no such sound"])


@pytest.mark.parametrize("is_cancelled", [False, True])
async def test_who_waits_goes_on_when_the_loop_is_idle_or_has_left(is_cancelled: bool) -> None:  # noqa: FBT001 - a table
    loop = Loop()
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(loop.callbacks.idle(1.0))
        await loop.turn(BUSY, 5)
        assert not waiting.done()
        if is_cancelled:
            waiting.cancel()
        loop.callbacks.request(loop.work("b"), 2.0)
        await loop.turn(IDLE, 4)
        assert waiting.done()
    assert loop.names() == "b"


async def test_a_loop_in_which_nothing_waits_is_left_alone() -> None:
    loop = Loop()
    looks = 0

    def clock() -> float:
        nonlocal looks
        looks += 1
        return 0.0

    callbacks = IdleCallbacks(clock)
    callbacks.request(loop.work("a"), 1.0)
    await loop.turn(IDLE, 3)
    assert loop.names() == "a"
    before = looks
    await loop.turn(IDLE, 10)
    assert looks == before
