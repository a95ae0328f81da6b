"""A deadline for somebody else passes in time, and not because our own loop was held up."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from edge_gateway.input.deadline import Deadline
from tests.virtual_time import hold_up, now, on_virtual_time, passed, until

if TYPE_CHECKING:
    from collections.abc import Callable


class Watched:
    """Notes when a deadline passes."""

    def __init__(self, passes: Callable[[], bool] = lambda: True) -> None:
        self.passed_at: list[float] = []
        self._passes = passes
        self.deadline = Deadline(self._note)

    def due_in(self, seconds: float) -> None:
        self.deadline.set(self.deadline.now() + seconds)

    def _note(self) -> bool:
        self.passed_at.append(round(now(), 2))
        return self._passes()


@on_virtual_time
async def test_a_deadline_passes_once_at_its_time() -> None:
    watched = Watched()
    watched.due_in(3)
    await passed(60)
    assert watched.passed_at == [3]


@on_virtual_time
async def test_what_is_no_longer_due_does_not_pass() -> None:
    watched = Watched()
    watched.due_in(3)
    await passed(2.9)
    watched.deadline.set(None)
    await passed(60)
    assert not watched.passed_at


@on_virtual_time
async def test_a_deadline_that_is_put_off_passes_then() -> None:
    watched = Watched()
    watched.due_in(3)
    await passed(2)
    watched.due_in(3)
    await passed(60)
    assert watched.passed_at == [5]


@on_virtual_time
async def test_after_it_is_closed_nothing_passes() -> None:
    watched = Watched()
    watched.due_in(3)
    watched.deadline.close()
    watched.due_in(1)
    await passed(60)
    assert not watched.passed_at


@on_virtual_time
async def test_who_cannot_be_told_now_is_told_a_little_later() -> None:
    watched = Watched(lambda: now() > 4)
    watched.due_in(3)
    await passed(60)
    assert watched.passed_at[0] == 3
    assert watched.passed_at[-1] == pytest.approx(4.1, abs=0.2)


@pytest.mark.parametrize("begins", [0.1, 1.0, 2.8])
@on_virtual_time
async def test_time_in_which_the_loop_was_held_up_does_not_count(begins: float) -> None:
    watched = Watched()
    watched.due_in(3)
    await until(begins)
    hold_up(10)
    await passed(60)
    # It is known to a quarter of a second how long the loop was held up, and what came meanwhile is looked at first.
    assert [at - 13 for at in watched.passed_at] == [pytest.approx(0.0, abs=0.5)]


@on_virtual_time
async def test_what_came_while_the_loop_was_held_up_is_looked_at_before_anybody_is_blamed() -> None:
    watched = Watched()
    watched.due_in(3)
    await until(2.9)
    asyncio.get_running_loop().call_at(asyncio.get_running_loop().time() + 5.05, watched.deadline.set, None)
    hold_up(5)
    await passed(60)
    assert not watched.passed_at


@on_virtual_time
async def test_a_loop_that_is_held_up_all_the_time_tells_of_a_dead_server_all_the_same() -> None:
    watched = Watched()
    watched.due_in(3)
    for _ in range(200):
        await passed(0.2)
        hold_up(0.2)
    assert watched.passed_at == [pytest.approx(3 + 30, abs=0.5)]


@on_virtual_time
async def test_who_answers_while_the_loop_is_held_up_again_and_again_is_not_blamed() -> None:
    watched = Watched()
    watched.due_in(3)
    for _ in range(50):
        await passed(0.2)
        hold_up(0.2)
    watched.deadline.set(None)
    await passed(60)
    assert not watched.passed_at
