"""Requests of one stream that have come in and have not been gone through.

The next one comes in when the one before has been gone through, so that a sender who is faster than the server is held
back. Only while the engine is waited for do they come in all the same, up to a limit: a client whose sound is no longer
read could not tell a server whose engine needs long from one that is gone. Knows nothing of what they ask for.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Generic, TypeVar

from parley._flag import Flag

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

T = TypeVar("T")


class Backlog(Generic[T]):
    """Requests between who reads them and who goes through them."""

    def __init__(self, most_samples: int) -> None:
        """Take no more in while requests of `most_samples` wait."""
        self._most_samples = most_samples
        self._waiting: list[tuple[T, int]] = []
        self._samples = 0
        self._busy = self._closed = False
        self._engine_waits = 0
        self._news = Flag()
        self._room = Flag()

    @property
    def is_idle(self) -> bool:
        """Nothing waits, and nothing is gone through."""
        return not self._busy and not self._waiting

    async def put(self, request: T, samples: int) -> None:
        """Take in a request as large as so many samples; returns when there is room for the next one."""
        self._waiting.append((request, samples))
        self._samples += samples
        self._news.set()
        self._look_for_room()
        await self._room.wait()

    def close(self) -> None:
        """Nothing more will come."""
        self._closed = True
        self._news.set()

    async def requests(self) -> AsyncIterator[T]:
        """The requests in order; one has been gone through when the next one is asked for."""
        while True:
            while self._waiting:
                request, samples = self._waiting.pop(0)
                self._busy = True
                yield request
                self._busy = False
                self._samples -= samples
                self._look_for_room()
            if self._closed:
                return
            self._news.clear()
            await self._news.wait()

    @contextmanager
    def engine_works(self) -> Iterator[None]:
        """A block in which the request that is gone through waits for the engine."""
        self._engine_waits += 1
        self._look_for_room()
        try:
            yield
        finally:
            self._engine_waits -= 1
            self._look_for_room()

    def _look_for_room(self) -> None:
        if self.is_idle or (self._engine_waits and self._samples < self._most_samples):
            self._room.set()
        else:
            self._room.clear()
