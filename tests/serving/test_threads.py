"""Blocking work on a thread of its own, and how it is called off."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from serving.threads import Worker

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def worker() -> Iterator[Worker]:
    made = Worker("test")
    yield made
    made.close()


async def test_items_come_in_order_and_end(worker: Worker) -> None:
    async with worker.iterate(lambda _: iter(range(5)), bound=2) as items:
        assert [item async for item in items] == [0, 1, 2, 3, 4]


async def test_what_the_work_raises_is_raised_where_it_is_read(worker: Worker) -> None:
    def broken(_stop: threading.Event) -> Iterator[int]:
        yield 1
        raise LookupError("no such voice")

    seen = []
    with pytest.raises(LookupError, match="no such voice"):
        async with worker.iterate(broken, bound=2) as items:
            async for item in items:
                seen.append(item)  # noqa: PERF401 - what came before the error is the point
    assert seen == [1]


async def test_the_thread_pauses_while_its_items_wait(worker: Worker) -> None:
    made: list[int] = []

    def count(_stop: threading.Event) -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    async with worker.iterate(count, bound=3) as items:
        assert await anext(items) == 0
        await asyncio.to_thread(threading.Event().wait, 0.05)
        assert len(made) <= 5


async def test_leaving_early_stops_the_work_and_frees_the_worker(worker: Worker) -> None:
    stopped = threading.Event()

    def endless(stop: threading.Event) -> Iterator[int]:
        try:
            while not stop.is_set():
                yield 1
        finally:
            stopped.set()

    async with worker.iterate(endless, bound=2) as items:
        await anext(items)
    assert stopped.is_set()
    async with asyncio.timeout(1):
        assert await worker.run(lambda: "free") == "free"


async def test_a_cancelled_caller_leaves_the_worker_idle(worker: Worker) -> None:
    began, ended = threading.Event(), threading.Event()

    def waits_for_stop(stop: threading.Event) -> Iterator[int]:
        began.set()
        stop.wait()
        ended.set()
        yield 0

    async def consume() -> None:
        async with worker.iterate(waits_for_stop, bound=2) as items:
            async for _ in items:
                pass

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(consume())
        await asyncio.to_thread(began.wait)
        task.cancel()
        await asyncio.wait([task])
    assert ended.is_set()


async def test_work_not_yet_begun_never_begins_once_its_caller_has_left(worker: Worker) -> None:
    gate, ran = threading.Event(), threading.Event()

    async def later() -> None:
        def run(_stop: threading.Event) -> Iterator[int]:
            ran.set()
            yield 1

        async with worker.iterate(run, bound=1) as items:
            async for _ in items:
                pass

    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(worker.run(gate.wait))
        await asyncio.sleep(0)
        second = tasks.create_task(later())
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.wait([second])
        gate.set()
        await first
    assert not ran.is_set()


async def test_a_worker_of_two_threads_does_two_things_at_once() -> None:
    both = threading.Barrier(2)
    worker = Worker("test", 2)
    try:
        async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
            for _ in range(2):
                tasks.create_task(worker.run(both.wait))
    finally:
        worker.close()


async def test_closing_calls_off_what_is_still_being_iterated_over() -> None:
    worker, began = Worker("test"), threading.Event()

    def waits_for_stop(stop: threading.Event) -> Iterator[int]:
        began.set()
        stop.wait()
        yield 0

    async with worker.iterate(waits_for_stop, bound=1):
        await asyncio.to_thread(began.wait)
        # The block's own end is not reached before this returns.
        worker.close()
