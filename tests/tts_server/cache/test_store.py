"""Keeping entries in memory."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tts_server.cache.entry import CacheEntry
from tts_server.cache.store import MemoryStore

# With what a entry weighs by itself: 1000 bytes.
ENTRY = CacheEntry((), bytes(500))


async def held(store: MemoryStore, keys: str) -> str:
    return "".join([key for key in keys if await store.get(key, "")])


async def test_what_was_not_used_for_longest_makes_room() -> None:
    store = MemoryStore(3 * ENTRY.size_bytes)
    for key in "abc":
        await store.put(key, ENTRY)
    await store.get("a", "")
    await store.put("d", ENTRY)
    assert await held(store, "abcd") == "acd"


async def test_an_entry_larger_than_all_room_drives_nothing_out() -> None:
    store = MemoryStore(3 * ENTRY.size_bytes)
    await store.put("a", ENTRY)
    await store.put("b", CacheEntry((), bytes(10_000)))
    assert await held(store, "ab") == "a"


async def test_what_is_not_here_is_asked_for_behind_and_held_here() -> None:
    behind = MemoryStore(10_000)
    await behind.put("a", ENTRY)
    store = MemoryStore(10_000, behind)
    assert await store.get("a", "") == ENTRY
    assert store.size_bytes == ENTRY.size_bytes
    await store.put("b", ENTRY)
    assert await held(behind, "ab") == "ab"


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 3_000)), max_size=40))
async def test_it_never_holds_more_than_it_may_and_knows_how_much_it_holds(puts: list[tuple[str, int]]) -> None:
    store = MemoryStore(6_000)
    for key, size in puts:
        await store.put(key, CacheEntry((), bytes(size)))
        assert store.size_bytes <= 6_000
    held = [entry for key in "abcdef" if (entry := await store.get(key, ""))]
    assert sum(entry.size_bytes for entry in held) == store.size_bytes
