"""Calls of a pool's servers: on another one where a call does not begin. Knows nothing of what is said in them."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, Self, TypeVar

from edge_gateway.tasks import end
from parley._duplex import first_of
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


@asynccontextmanager
async def opened(pool: Pool[C], call: Call[C, E]) -> AsyncIterator[AsyncIterator[E]]:
    """A call of one of the pool's servers, as a block with the events; leaving it ends the call.

    Raises:
        ParleyError: it failed, or no server takes calls; raised where the events are read.
        Exception: what the requests raised.
    """
    attempts = _Attempts(pool, call)
    try:
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(attempts.run(), name=f"{pool.hop} call")
            try:
                yield attempts
            finally:
                await end(task)
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


class _Attempts(Generic[C, E]):
    """The events of a call, whichever server it is made of at last."""

    def __init__(self, pool: Pool[C], call: Call[C, E]) -> None:
        self._pool = pool
        self._call = call
        self._early: deque[E] = deque()
        """Events from before the call began."""
        self._changed = asyncio.Event()
        self._lease: Lease[C] | None = None
        self._events: AsyncIterator[E] | None = None
        """Those of the call that has begun."""
        self._failure: ParleyError | None = None
        self._is_over = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> E:
        while not self._early:
            if self._events is not None:
                return await self._next(self._events)
            if self._failure is not None:
                raise self._failure
            if self._is_over:
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        return self._early.popleft()

    async def _next(self, events: AsyncIterator[E]) -> E:
        try:
            return await anext(events)
        except ParleyError as error:
            if self._lease is not None:
                self._lease.failed(error)
            raise

    async def run(self) -> None:
        """Try one server after the other until the call begins, and hold it until cancelled."""
        await self._pool.decided()
        tried: set[str] = set()
        failure: ParleyError | None = None
        while failure is None or (_may_work_elsewhere(failure) and self._pool.has_choice(tried)):
            try:
                lease = self._pool.choose(tried)
            except Unavailable as error:
                failure = error
                break
            tried.add(lease.server.address)
            with lease:
                failure = await self._attempt(lease)
            if failure is None:
                break
        self._failure, self._is_over = failure, True
        self._changed.set()

    async def _attempt(self, lease: Lease[C]) -> ParleyError | None:
        """Make the call of one server, to its end; gives why it did not begin."""
        clock = asyncio.get_running_loop().time
        opened_at, is_answered = clock(), False
        if self._call.placement is not None:
            self._call.placement.found(lease)
        try:
            async with self._call.open(lease.client) as events:
                try:
                    async for event in events:
                        is_answered = True
                        await self._take(event, lease, events)
                except ParleyError as error:
                    lease.failed(error)
                    return error
                return None
        finally:
            if not is_answered and clock() - opened_at >= _SUSPICIOUS_SECONDS:
                lease.hangs()

    async def _take(self, event: E, lease: Lease[C], events: AsyncIterator[E]) -> None:
        """Hand an event on; with the one that begins the call all that follow are read by whoever reads them here."""
        self._early.append(event)
        begins = self._call.begins(event)
        if begins:
            self._lease, self._events = lease, events
        self._changed.set()
        if begins:
            await asyncio.Event().wait()


def _may_work_elsewhere(error: ParleyError) -> bool:
    return isinstance(error, Unavailable | Overloaded)
