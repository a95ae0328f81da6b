"""Keeping takes in memory."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tts_server.cache.entry import Take
from tts_server.cache.store import MemoryStore

# With what a take weighs by itself: 1000 bytes.
TAKE = Take((), bytes(500))


async def kept(store: MemoryStore, keys: str) -> str:
    return "".join([key for key in keys if await store.get(key, "")])


async def test_what_was_not_used_for_longest_makes_room() -> None:
    store = MemoryStore(3 * TAKE.size_bytes)
    for key in "abc":
        await store.put(key, TAKE)
    await store.get("a", "")
    await store.put("d", TAKE)
    assert await kept(store, "abcd") == "acd"


async def test_a_take_larger_than_all_room_drives_nothing_out() -> None:
    store = MemoryStore(3 * TAKE.size_bytes)
    await store.put("a", TAKE)
    await store.put("b", Take((), bytes(10_000)))
    assert await kept(store, "ab") == "a"


async def test_what_is_not_here_is_asked_for_behind_and_kept_here() -> None:
    behind = MemoryStore(10_000)
    await behind.put("a", TAKE)
    store = MemoryStore(10_000, behind)
    assert await store.get("a", "") == TAKE
    assert store.size_bytes == TAKE.size_bytes
    await store.put("b", TAKE)
    assert await kept(behind, "ab") == "ab"


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 3_000)), max_size=40))
async def test_it_never_holds_more_than_it_may_and_knows_how_much_it_holds(puts: list[tuple[str, int]]) -> None:
    store = MemoryStore(6_000)
    for key, size in puts:
        await store.put(key, Take((), bytes(size)))
        assert store.size_bytes <= 6_000
    held = [take for key in "abcdef" if (take := await store.get(key, ""))]
    assert sum(take.size_bytes for take in held) == store.size_bytes
