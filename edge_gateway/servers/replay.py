"""Requests of a call that may have to be made anew elsewhere: what one server was told the next one is told again.

Knows nothing of what they mean.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator

T = TypeVar("T")


class Replay(Generic[T]):
    """Requests that can be iterated over from the start again, also while whoever did so before waits for the next."""

    def __init__(self, requests: AsyncIterable[T]) -> None:
        """Take them from `requests`, and keep them; a wait for the next of those may be given up and begun again."""
        self._requests = aiter(requests)
        self._kept: list[T] = []
        self._is_complete = False
        self._turn = asyncio.Lock()

    async def from_the_start(self) -> AsyncIterator[T]:
        """All of them."""
        place = 0
        while place < len(self._kept) or not self._is_complete:
            if place < len(self._kept):
                yield self._kept[place]
                place += 1
            else:
                await self._take(place)

    async def _take(self, place: int) -> None:
        """Take the one at `place`, if nobody else does."""
        async with self._turn:
            if place < len(self._kept) or self._is_complete:
                return
            try:
                self._kept.append(await anext(self._requests))
            except StopAsyncIteration:
                self._is_complete = True
