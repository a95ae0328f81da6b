"""Blocking work behind the event loop: one worker is one thread of its own, and work on it can be called off.

A thread cannot be cancelled, so work that takes long watches a stop flag; the flag is set as soon as its caller leaves.
Knows nothing of what the work is.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Generic, TypeVar, TypeVarTuple

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

T = TypeVar("T")
Args = TypeVarTuple("Args")


class Worker:
    """One thread that does one thing at a time, or a few that do as many, in the order asked."""

    def __init__(self, name: str, threads: int = 1) -> None:
        """Start nothing yet: a thread begins with the first work."""
        self._executor = ThreadPoolExecutor(max_workers=threads, thread_name_prefix=name)
        self._iterated: set[Callable[[], None]] = set()

    async def run(self, function: Callable[[*Args], T], *args: *Args) -> T:
        """Result of `function(*args)`, called on the worker's thread. Work not yet begun is dropped on cancellation."""
        return await self.start(function, *args)

    def start(self, function: Callable[[*Args], T], *args: *Args) -> asyncio.Future[T]:
        """The same for who does not wait: it is done whatever becomes of those who asked."""
        return asyncio.get_running_loop().run_in_executor(self._executor, function, *args)

    @asynccontextmanager
    async def iterate(
        self, make: Callable[[threading.Event], Iterator[T]], *, bound: int, patience_seconds: float | None = None
    ) -> AsyncIterator[AsyncIterator[T]]:
        """Iterate over what `make(stop)` yields on the worker's thread.

        The thread pauses while `bound` items wait. Leaving the block sets `stop` and waits until the thread has let
        go of the iterator, so the worker is idle, or busy with somebody else's work, when the block is left.
        What `make` raises is raised here.

        Raises:
            TimeoutError: no item came for `patience_seconds`. Then the block does not wait for the thread, which may be
                deep in a library; what it is given to do next waits for it.
        """
        handover: _Handover[T] = _Handover(asyncio.get_running_loop(), bound, patience_seconds)
        done = self._executor.submit(handover.produce, make)
        self._iterated.add(handover.call_off)
        try:
            yield handover.items(done)
        finally:
            self._iterated.discard(handover.call_off)
            handover.call_off()
            if not done.cancel() and not handover.late:
                await _ended(done)

    def close(self) -> None:
        """Refuse new work, call off what is being iterated over, and wait for the thread to end."""
        # Whoever iterates may not have been told yet that all is over, and cannot be while this waits.
        for call_off in self._iterated:
            call_off()
        self._executor.shutdown(cancel_futures=True)


async def _ended(done: Future[None]) -> None:
    """Wait for the thread even when we are being cancelled: it ends soon, since its stop flag is set."""
    waiter = asyncio.wrap_future(done)
    cancelled = False
    while not waiter.done():
        try:
            await asyncio.wait([waiter])
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        raise asyncio.CancelledError
    # Its error has been raised where the items are read, or belongs to work that nobody wants any more.
    waiter.exception()


class _Handover(Generic[T]):
    """Items on their way from a thread to the loop. Every field but `stop` and `_room` belongs to the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, bound: int, patience_seconds: float | None) -> None:
        self.stop = threading.Event()
        self.late = False
        self._patience_seconds = patience_seconds
        self._loop = loop
        self._room = threading.Semaphore(bound)
        self._ready: deque[T] = deque()
        self._news = asyncio.Event()
        self._ended = False

    def produce(self, make: Callable[[threading.Event], Iterator[T]]) -> None:
        """On the thread: make items until they end or are called off."""
        try:
            for item in make(self.stop):
                self._room.acquire()
                if self.stop.is_set():
                    return
                self._loop.call_soon_threadsafe(self._arrive, item)
        finally:
            self._loop.call_soon_threadsafe(self._end)

    def call_off(self) -> None:
        self.stop.set()
        self._room.release()

    async def items(self, done: Future[None]) -> AsyncIterator[T]:
        """The items, in order; `done` is the thread's work, whose error is raised at the end."""
        while True:
            while self._ready:
                item = self._ready.popleft()
                self._room.release()
                yield item
            if self._ended:
                break
            self._news.clear()
            await self._wait()
        await asyncio.wrap_future(done)

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(self._patience_seconds):
                await self._news.wait()
        except TimeoutError:
            # News that came together with the end of patience counts.
            self.late = not self._news.is_set()
            if self.late:
                raise

    def _arrive(self, item: T) -> None:
        self._ready.append(item)
        self._news.set()

    def _end(self) -> None:
        self._ended = True
        self._news.set()
