"""Calls of a pool's servers: on another one where a call does not begin. Knows nothing of what is said in them."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, Self, TypeVar

from edge_gateway.tasks import end
from parley._duplex import first_of
from parley._flag import Flag
from parley.errors import Overloaded, ParleyError, Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from contextlib import AbstractAsyncContextManager

    from edge_gateway.servers.lease import Lease
    from edge_gateway.servers.placement import Placement
    from edge_gateway.servers.pool import Pool

C = TypeVar("C")
E = TypeVar("E")
T = TypeVar("T")

# A server that has said nothing for so long to a call that is given up then is asked for its health.
_SUSPICIOUS_SECONDS: Final = 1.0
# How long one of several servers may take for a question that another one can answer.
_QUESTION_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True)
class Call(Generic[C, E]):
    """What is asked of whichever server it is."""

    open: Callable[[C], AbstractAsyncContextManager[AsyncIterator[E]]]
    """Opens the call; may be called again as long as it has not begun."""
    begins: Callable[[E], bool]
    """True of the event from which on the call cannot be made anew elsewhere."""
    placement: Placement | None = None
    """Told where the call is."""
    is_quick: Callable[[C], bool] = lambda _: True
    """Whether `open` waits for nothing."""


@asynccontextmanager
async def opened(pool: Pool[C], call: Call[C, E]) -> AsyncIterator[AsyncIterator[E]]:
    """A call of one of the pool's servers, as a block with the events; leaving it ends the call.

    Mostly the first server answers, and its events are read by whoever reads them here: there is a task only where a
    server is waited for, or another one is asked.

    Raises:
        ParleyError: it failed, or no server takes calls; raised where the events are read.
        Exception: what the requests raised.
    """
    try:
        async with asyncio.TaskGroup() as tasks:
            attempts = _Attempts(pool, call, tasks)
            try:
                # No exit stack: it would keep what ends the block, and with it the block, for the next collection.
                if (client := attempts.quick_client()) is not None:
                    async with call.open(client) as events:
                        attempts.read(events)
                        yield attempts
                else:
                    attempts.ask_others()
                    yield attempts
            finally:
                await attempts.end()
    except BaseExceptionGroup as group:
        raise first_of(group) from None


async def asked(pool: Pool[C], question: Callable[[C], Awaitable[T]]) -> T:
    """What the first server says that answers.

    Raises:
        ParleyError: the last one's, where none does.
    """
    await pool.decided()
    tried: set[str] = set()
    while True:
        lease = pool.choose(tried)
        tried.add(lease.server.address)
        with lease:
            last = not pool.has_choice(tried)
            try:
                async with asyncio.timeout(None if last else _QUESTION_SECONDS):
                    return await question(lease.client)
            except TimeoutError:
                lease.hangs()
            except ParleyError as error:
                lease.failed(error)
                if last or not _may_work_elsewhere(error):
                    raise


class _Attempt(Generic[C]):
    """A call of one server, which counts as its load until `end`."""

    def __init__(self, lease: Lease[C], placement: Placement | None) -> None:
        self.lease = lease
        self.is_answered = self._is_over = False
        self._opened_at = _now()
        lease.__enter__()
        if placement is not None:
            placement.found(lease)

    def end(self) -> None:
        if self._is_over:
            return
        self._is_over = True
        self.lease.__exit__()
        if not self.is_answered and _now() - self._opened_at >= _SUSPICIOUS_SECONDS:
            self.lease.hangs()


class _Attempts(Generic[C, E]):
    """The events of a call, whichever server it is made of at last."""

    def __init__(self, pool: Pool[C], call: Call[C, E], tasks: asyncio.TaskGroup) -> None:
        self._pool = pool
        self._call = call
        self._tasks: asyncio.TaskGroup | None = tasks
        self._tried: set[str] = set()
        self._attempt: _Attempt[C] | None = None
        self._events: AsyncIterator[E] | None = None
        """Those of `_attempt`, read by whoever reads here."""
        self._has_begun = False
        self._others: asyncio.Task[None] | None = None
        """Asks one server after the other until the call begins, and holds it."""
        self._early: list[E] = []
        """Events of `_others` from before the call began."""
        self._changed = Flag()
        self._failure: ParleyError | None = None
        self._is_over = False

    def quick_client(self) -> C | None:
        """Whom to ask first; None: something has to be waited for."""
        if self._pool.has_choice():
            lease = self._pool.choose()
            if self._call.is_quick(lease.client):
                self._tried.add(lease.server.address)
                self._attempt = _Attempt(lease, self._call.placement)
                return lease.client
        return None

    def read(self, events: AsyncIterator[E]) -> None:
        """Take the events of the client that was asked first."""
        self._events = events

    def ask_others(self) -> None:
        """Ask one server after the other, those that were not yet."""
        if self._tasks is not None:
            self._others = self._tasks.create_task(self._ask(), name=f"{self._pool.hop} call")

    async def end(self) -> None:
        """End what is asked of other servers, and count for none any more."""
        others, self._others = self._others, None
        if others is not None:
            await end(others)
        if self._attempt is not None:
            self._attempt.end()
        # The group knows the task that reads here; a ring of the two would wait for the next collection.
        self._tasks = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> E:
        while not self._early:
            if self._attempt is not None and self._events is not None:
                try:
                    return await self._next(self._attempt, self._events)
                except ParleyError as error:
                    if not self._goes_on_elsewhere(self._attempt, error):
                        raise
                    continue
            if self._failure is not None:
                raise self._failure
            if self._is_over:
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        return self._early.pop(0)

    async def _next(self, attempt: _Attempt[C], events: AsyncIterator[E]) -> E:
        event = await anext(events)
        attempt.is_answered = True
        self._has_begun = self._has_begun or self._call.begins(event)
        return event

    def _goes_on_elsewhere(self, attempt: _Attempt[C], error: ParleyError) -> bool:
        attempt.lease.failed(error)
        if self._has_begun or not _may_work_elsewhere(error) or not self._pool.has_choice(self._tried):
            return False
        attempt.end()
        self._attempt = self._events = None
        self.ask_others()
        return True

    async def _ask(self) -> None:
        """Try one server after the other until the call begins, and hold it until cancelled."""
        await self._pool.decided()
        failure: ParleyError | None = None
        while failure is None or (_may_work_elsewhere(failure) and self._pool.has_choice(self._tried)):
            try:
                lease = self._pool.choose(self._tried)
            except Unavailable as error:
                failure = error
                break
            self._tried.add(lease.server.address)
            failure = await self._try(_Attempt(lease, self._call.placement))
            if failure is None:
                break
        self._failure, self._is_over = failure, True
        self._changed.set()

    async def _try(self, attempt: _Attempt[C]) -> ParleyError | None:
        """Make the call of one server, to its end; gives why it did not begin."""
        try:
            async with self._call.open(attempt.lease.client) as events:
                try:
                    async for event in events:
                        attempt.is_answered = True
                        await self._take(event, attempt, events)
                except ParleyError as error:
                    attempt.lease.failed(error)
                    return error
                return None
        finally:
            attempt.end()

    async def _take(self, event: E, attempt: _Attempt[C], events: AsyncIterator[E]) -> None:
        """Hand an event on; with the one that begins the call all that follow are read by whoever reads them here."""
        self._early.append(event)
        self._has_begun = self._call.begins(event)
        if self._has_begun:
            self._attempt, self._events = attempt, events
        self._changed.set()
        if self._has_begun:
            await Flag().wait()


def _may_work_elsewhere(error: ParleyError) -> bool:
    return isinstance(error, Unavailable | Overloaded)


def _now() -> float:
    return asyncio.get_running_loop().time()
