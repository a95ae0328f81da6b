"""Where the cache holds its entries: in memory, up to a number of bytes, and behind that in another store.

Knows nothing of engines, nor of what is in an entry.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from tts_server.cache.entry import CacheEntry


class Store(Protocol):
    """Holds entries. It may forget any of them at any time, and never fails."""

    async def get(self, key: str, text: str) -> CacheEntry | None:
        """The entry of `text` under `key`; None where there is none."""
        ...

    async def put(self, key: str, entry: CacheEntry) -> None:
        """Store an entry."""
        ...


class MemoryStore:
    """Holds what was used last."""

    def __init__(self, limit_bytes: int, behind: Store | None = None) -> None:
        """Hold up to `limit_bytes`, and ask `behind` for what is not here."""
        self._limit_bytes = limit_bytes
        self._behind = behind
        self._entries: OrderedDict[str, CacheEntry] = OrderedDict()
        self.size_bytes = 0
        """What is held here weighs."""

    async def get(self, key: str, text: str) -> CacheEntry | None:
        """The entry of `text` that is here or behind under `key`."""
        entry = self._entries.get(key)
        if entry is not None:
            self._entries.move_to_end(key)
            return entry
        entry = await self._behind.get(key, text) if self._behind else None
        if entry is not None:
            self._hold(key, entry)
        return entry

    async def put(self, key: str, entry: CacheEntry) -> None:
        """Store an entry here and behind; the ones that were not used for longest make room."""
        self._hold(key, entry)
        if self._behind:
            await self._behind.put(key, entry)

    def _hold(self, key: str, entry: CacheEntry) -> None:
        if entry.size_bytes > self._limit_bytes:
            return
        self._drop(self._entries.pop(key, None))
        self._entries[key] = entry
        self.size_bytes += entry.size_bytes
        while self.size_bytes > self._limit_bytes:
            self._drop(self._entries.popitem(last=False)[1])

    def _drop(self, entry: CacheEntry | None) -> None:
        self.size_bytes -= entry.size_bytes if entry else 0
