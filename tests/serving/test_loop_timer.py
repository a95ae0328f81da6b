"""How late the loop comes to a timer is told, each time, and no more after its block."""

from __future__ import annotations

from serving.loop_timer import loop_timer
from tests.virtual_time import Blocked, on_virtual_time, pass_by

PERIOD_SECONDS = 0.02


@on_virtual_time
async def test_it_tells_how_late_the_loop_came_and_is_still_after_its_block() -> None:
    clock, told = Blocked(), list[float]()
    with loop_timer(PERIOD_SECONDS, lambda _, late_seconds: told.append(late_seconds), clock):
        await pass_by(2.5 * PERIOD_SECONDS)
        clock.ahead_seconds += 0.3
        await pass_by(2 * PERIOD_SECONDS)
    await pass_by(1.0)
    assert [round(late, 6) for late in told] == [0.0, 0.0, 0.3, 0.0]


@on_virtual_time
async def test_a_period_that_changes_holds_from_the_next_call_on_or_at_once() -> None:
    clock, told, period = Blocked(), list[float](), [1.0]
    with loop_timer(lambda: period[0], lambda now, _: told.append(now), clock) as set_anew:
        began = clock()
        period[0] = 0.1
        await pass_by(0.55)
        assert told == []
        set_anew()
        await pass_by(0.25)
        period[0] = 1.0
        await pass_by(0.6)
    assert [round(now - began, 3) for now in told] == [0.65, 0.75, 0.85]
