"""How long a writer is waited for before the first words are spoken, on a virtual clock."""

from __future__ import annotations

import asyncio

import pytest

from tests.virtual_time import now, run, until
from tts_server.cutting import Cutter

FOX = "The quick brown fox jumps over the lazy dog. It is well."


def pieces_of(*deltas: tuple[float, str | None], whole: bool = True, end: float = 9.0) -> list[tuple[float, str]]:
    """Pieces with the seconds at which they are ready, of text that comes at the seconds given."""
    return run(_pieces_of(deltas, whole=whole, end=end))


async def _pieces_of(
    deltas: tuple[tuple[float, str | None], ...], *, whole: bool, end: float
) -> list[tuple[float, str]]:
    found = []

    async def write() -> None:
        for seconds, delta in deltas:
            await until(seconds)
            await cutter.add(delta)
        await until(end)
        cutter.end()

    with Cutter(whole=whole) as cutter:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(write())
            while (item := await cutter.next()) is not None:
                found.append((round(now(), 3), item[0].text.strip()))
    return found


def words(text: str, each_seconds: float) -> list[tuple[float, str]]:
    return [(number * each_seconds, f"{word} ") for number, word in enumerate(text.split())]


def test_a_sentence_that_is_there_at_once_is_spoken_as_one() -> None:
    assert pieces_of((0.0, FOX + " ")) == [
        *((0.0, "The quick brown fox jumps over the lazy dog."), (0.3, "It is well."))
    ]
    assert pieces_of(*words(FOX, 0.005))[0] == (0.045, "The quick brown fox jumps over the lazy dog.")


def test_a_slow_voice_gets_a_few_words_first_however_fast_they_come() -> None:
    assert pieces_of((0.0, FOX), whole=False)[0] == (0.0, "The quick brown fox jumps over the lazy")


def test_a_writer_who_is_slow_is_not_waited_for() -> None:
    for whole in (True, False):
        found = pieces_of(*words(FOX, 0.05), whole=whole)
        assert found[0] == (0.4, "The quick brown fox jumps over the lazy")
    # Between the two: ten words in 100 ms.
    assert pieces_of(*words("one two three four five six seven eight nine ten eleven.", 0.011))[0] == (
        *(0.1, "one two three four five six seven eight"),
    )


def test_who_stalls_has_spoken_what_there_is_after_300_ms() -> None:
    found = pieces_of((0.0, "Well, it "), (0.2, "is nice "), (1.0, "here."))
    assert found[0] == (0.5, "Well, it is nice")


def test_white_space_alone_is_no_beginning() -> None:
    found = pieces_of((0.0, "\n\n"), (5.0, FOX))
    assert found[0] == (5.0, "The quick brown fox jumps over the lazy dog.")


@pytest.mark.parametrize("whole", [True, False])
def test_what_is_to_be_spoken_now_is(whole: bool) -> None:  # noqa: FBT001 - a parameter of the test
    assert pieces_of((0.0, "Just a"), (0.05, None), (0.1, " moment."), whole=whole)[0] == (0.05, "Just a")
