"""Where takes are kept: in memory, up to a number of bytes, and behind that in another store.

Knows nothing of engines, nor of what is in a take.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from tts_server.cache.entry import Take


class Store(Protocol):
    """Keeps takes. It may forget any of them at any time, and never fails."""

    async def get(self, key: str, text: str) -> Take | None:
        """The take of `text` that is kept under `key`; None where there is none."""
        ...

    async def put(self, key: str, take: Take) -> None:
        """Keep a take."""
        ...


class MemoryStore:
    """Keeps what was used last."""

    def __init__(self, limit_bytes: int, behind: Store | None = None) -> None:
        """Keep up to `limit_bytes`, and ask `behind` for what is not here."""
        self._limit_bytes = limit_bytes
        self._behind = behind
        self._takes: OrderedDict[str, Take] = OrderedDict()
        self.size_bytes = 0
        """What is kept here weighs."""

    async def get(self, key: str, text: str) -> Take | None:
        """The take of `text` that is kept here or behind under `key`."""
        take = self._takes.get(key)
        if take is not None:
            self._takes.move_to_end(key)
            return take
        take = await self._behind.get(key, text) if self._behind else None
        if take is not None:
            self._keep(key, take)
        return take

    async def put(self, key: str, take: Take) -> None:
        """Keep a take here and behind; the ones that were not used for longest make room."""
        self._keep(key, take)
        if self._behind:
            await self._behind.put(key, take)

    def _keep(self, key: str, take: Take) -> None:
        if take.size_bytes > self._limit_bytes:
            return
        self._drop(self._takes.pop(key, None))
        self._takes[key] = take
        self.size_bytes += take.size_bytes
        while self.size_bytes > self._limit_bytes:
            self._drop(self._takes.popitem(last=False)[1])

    def _drop(self, take: Take | None) -> None:
        self.size_bytes -= take.size_bytes if take else 0
