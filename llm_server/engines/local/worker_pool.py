"""The threads of a model that writes only so many replies at once: who finds none idle waits for one, for a while."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from parley.errors import DeadlinePassed, Overloaded
from serving.threads import Worker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class WorkerPool:
    """So many threads, each for one reply at a time."""

    def __init__(self, name: str, count: int, patience_seconds: float) -> None:
        """Have `count` of them; who waits longer than `patience_seconds` for an idle one is refused."""
        self._patience_seconds = patience_seconds
        self._workers = tuple(Worker(f"{name}-{place}") for place in range(count))
        self._idle: asyncio.Queue[Worker] = asyncio.Queue()
        for worker in self._workers:
            self._idle.put_nowait(worker)

    @property
    def busy(self) -> bool:
        """None is idle."""
        return self._idle.empty()

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[Worker]:
        """An idle thread, for as long as the block lasts.

        When the block is left with DeadlinePassed, its thread is still at work, and comes back when that is done.

        Raises:
            Overloaded: none came free in time.
        """
        try:
            async with asyncio.timeout(self._patience_seconds):
                worker = await self._idle.get()
        except TimeoutError:
            raise Overloaded(f"no place came free within {self._patience_seconds:g} s", retry_after_ms=1_000) from None
        late = False
        try:
            yield worker
        except DeadlinePassed:
            late = True
            raise
        finally:
            if late:
                worker.start(_nothing).add_done_callback(lambda _: self._idle.put_nowait(worker))
            else:
                self._idle.put_nowait(worker)

    def close(self) -> None:
        """End the threads."""
        for worker in self._workers:
            worker.close()


def _nothing() -> None:
    """What a thread is given to do to see when it gets to it."""
