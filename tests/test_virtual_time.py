"""Time that costs nothing keeps its order, and shows who waits in vain."""

from __future__ import annotations

import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.virtual_time import StalledError, now, on_virtual_time, passed, run, settled, until

DAY_SECONDS = 24 * 3_600


@on_virtual_time
async def test_a_week_is_over_at_once() -> None:
    began = time.monotonic()
    await passed(7 * DAY_SECONDS)
    assert now() == 7 * DAY_SECONDS
    assert time.monotonic() - began < 1


@given(delays=st.lists(st.floats(0, 100), min_size=1, max_size=20))
def test_timers_come_in_their_order_and_at_their_time(delays: list[float]) -> None:
    async def woken() -> list[tuple[float, float]]:
        seen = []

        async def wait(seconds: float) -> None:
            await passed(seconds)
            seen.append((seconds, now()))

        async with asyncio.TaskGroup() as tasks:
            for seconds in delays:
                tasks.create_task(wait(seconds))
        return seen

    seen = run(woken())
    assert [due for due, _ in seen] == pytest.approx(sorted(delays))
    assert [at for _, at in seen] == pytest.approx([due for due, _ in seen], abs=1e-6)


@on_virtual_time
async def test_time_stands_still_while_anything_can_run() -> None:
    async with asyncio.TaskGroup() as tasks:
        queue: asyncio.Queue[int] = asyncio.Queue()

        async def relay() -> None:
            for step in range(1_000):
                queue.put_nowait(step)
                await asyncio.sleep(0)

        tasks.create_task(relay())
        assert [await queue.get() for _ in range(1_000)] == list(range(1_000))
        assert now() == 0


@on_virtual_time
async def test_what_could_happen_has_happened_once_all_is_settled() -> None:
    done = []

    async def work() -> None:
        for _ in range(50):
            await asyncio.sleep(0)
        done.append("now")
        await passed(0.001)
        done.append("later")

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(work())
        await settled()
        assert done == ["now"]
        await until(0.002)
        assert done == ["now", "later"]


@on_virtual_time
async def test_a_timeout_is_over_exactly_when_it_should_be() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(3):
            await asyncio.Event().wait()
    assert now() == pytest.approx(3, abs=1e-6)


def test_who_waits_for_what_never_comes_is_told_so() -> None:
    with pytest.raises(StalledError, match="never happen"):
        run(asyncio.Event().wait())


async def test_on_a_real_loop_nobody_naps() -> None:
    with pytest.raises(AssertionError, match="nap"):
        await passed(1)
