from __future__ import annotations

import asyncio

from edge_gateway.capacity.lateness import PERIOD_SECONDS
from edge_gateway.capacity.loop_watch import watched_loop
from tests.virtual_time import on_virtual_time


async def pass_by(seconds: float) -> None:
    over = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, over.set)
    await over.wait()


class Blocked:
    """A clock beside the loop's own: what blocks the loop moves it, and the loop does not see it."""

    def __init__(self) -> None:
        self.ahead_seconds = 0.0

    def __call__(self) -> float:
        return asyncio.get_running_loop().time() + self.ahead_seconds


@on_virtual_time
async def test_it_tells_how_late_the_loop_came_and_is_still_after_its_block() -> None:
    clock, told = Blocked(), list[float]()

    def timer(_now: float, late_seconds: float, computed_seconds: float) -> None:
        assert computed_seconds > 0
        told.append(late_seconds)

    with watched_loop(timer, clock):
        await pass_by(2.5 * PERIOD_SECONDS)
        clock.ahead_seconds += 0.3
        await pass_by(2 * PERIOD_SECONDS)
    await pass_by(1.0)
    assert len(told) == 4
    assert [round(late, 6) for late in told] == [0.0, 0.0, 0.3, 0.0]
