"""News are decided on one after the other, by whoever may, and time is looked at between them."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from edge_gateway.inbox import Inbox
from edge_gateway.tasks import end
from tests.virtual_time import now, on_virtual_time, passed, settled

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Desk:
    """Decides on news, and notes by which task and when."""

    def __init__(self, decide_seconds: float = 0.0) -> None:
        self.inbox: Inbox[str] = Inbox(self._decide, lambda: self.wake_at, self._time)
        self.wake_at: float | None = None
        self.decided: list[str] = []
        self.by: list[str] = []
        self.times: list[float] = []
        self.ends: asyncio.Task[None] | None = None
        """What a decision ends."""
        self._decide_seconds = decide_seconds
        self._is_deciding = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.TaskGroup]:
        async with asyncio.TaskGroup() as tasks:
            conductor = tasks.create_task(self.inbox.run(), name="conductor")
            yield tasks
            conductor.cancel()

    async def _decide(self, news: str) -> None:
        assert not self._is_deciding, "two decisions at once"
        self._is_deciding = True
        await passed(self._decide_seconds)
        if self.ends is not None:
            await end(self.ends)
        task = asyncio.current_task()
        self.by.append(task.get_name() if task is not None else "")
        self.decided.append(news)
        self._is_deciding = False

    async def _time(self) -> None:
        self.times.append(round(now(), 2))
        self.wake_at = None


@on_virtual_time
async def test_who_brings_news_decides_on_them_at_once() -> None:
    desk = Desk()
    async with desk.running() as tasks:
        await tasks.create_task(desk.inbox.bring("one"), name="reader")
        assert (desk.decided, desk.by) == (["one"], ["reader"])


@on_virtual_time
async def test_what_is_posted_is_decided_by_the_one_task_for_that() -> None:
    desk = Desk()
    async with desk.running() as tasks:
        await tasks.create_task(desk.inbox.post("one"), name="reply")
        await desk.inbox.settled()
    assert (desk.decided, desk.by) == (["one"], ["conductor"])


@on_virtual_time
async def test_news_that_come_during_a_decision_are_left_to_whoever_makes_it() -> None:
    desk = Desk(decide_seconds=1)
    async with desk.running() as tasks:
        tasks.create_task(desk.inbox.bring("one"), name="reader")
        await passed(0.5)
        await tasks.create_task(desk.inbox.bring("two"), name="other")
        assert desk.decided == [], "who brings it does not wait"
        await desk.inbox.post("three")
        await desk.inbox.settled()
    assert desk.decided == ["one", "two", "three"]
    assert desk.by == ["reader"] * 3


@on_virtual_time
async def test_a_decision_may_end_the_task_that_posts_news_meanwhile() -> None:
    desk = Desk()

    async def reply() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await desk.inbox.post("it is over")

    async with desk.running() as tasks:
        desk.ends = tasks.create_task(reply())
        await settled()
        await desk.inbox.bring("stop")
        await desk.inbox.settled()
    assert desk.decided == ["stop", "it is over"]


@on_virtual_time
async def test_time_is_looked_at_when_it_has_come_and_as_the_last_decision_has_set_it() -> None:
    desk = Desk()
    loop = asyncio.get_running_loop()
    async with desk.running():
        desk.wake_at = loop.time() + 5
        await desk.inbox.bring("one")
        await passed(2)
        desk.wake_at = loop.time() + 1
        await desk.inbox.bring("two")
        await passed(60)
    assert desk.times == [3]


@on_virtual_time
async def test_where_no_time_is_asked_for_nothing_wakes_it() -> None:
    desk = Desk()
    async with desk.running():
        desk.wake_at = asyncio.get_running_loop().time() + 5
        await desk.inbox.bring("one")
        desk.wake_at = None
        await desk.inbox.bring("two")
        await passed(60)
    assert not desk.times


@on_virtual_time
async def test_when_the_session_is_over_nothing_is_decided_any_more() -> None:
    desk = Desk()
    async with desk.running():
        await settled()
    await desk.inbox.bring("late")
    assert not desk.decided


@on_virtual_time
async def test_a_flood_holds_up_who_brings_it() -> None:
    desk = Desk(decide_seconds=0.001)
    async with desk.running() as tasks:

        async def flood() -> None:
            for number in range(3_000):
                await desk.inbox.post(str(number))

        flooding = tasks.create_task(flood())
        await settled()
        assert not flooding.done()
        await flooding
        await desk.inbox.settled()
    assert desk.decided == [str(number) for number in range(3_000)]
