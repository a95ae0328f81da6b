"""A TTS server that makes no sound is given up in time, and never for what it is not to blame for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from edge_gateway.reply.sound_deadline import SoundDeadline
from parley.errors import Unavailable
from tests.virtual_time import now, on_virtual_time, passed, until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


async def given_up_at(block: Callable[[SoundDeadline], Awaitable[None]], *, waits_until: float = 3_600) -> float | None:
    """When a block that does this and then waits is ended; None when it is left to wait for an hour."""
    deadline = SoundDeadline()
    try:
        async with deadline:
            await block(deadline)
            await until(waits_until)
    except TimeoutError:
        return round(now(), 3)
    return None


@on_virtual_time
async def test_while_there_is_nothing_to_speak_no_sound_is_missed() -> None:
    async def block(_: SoundDeadline) -> None:
        await passed(1)

    assert await given_up_at(block) is None


@on_virtual_time
async def test_the_first_sound_may_take_two_seconds_from_the_first_text() -> None:
    async def block(deadline: SoundDeadline) -> None:
        await passed(5)
        deadline.text_has_begun()

    assert await given_up_at(block) == 7


@on_virtual_time
async def test_more_text_does_not_put_the_first_sound_off() -> None:
    async def block(deadline: SoundDeadline) -> None:
        deadline.text_has_begun()
        await passed(1.5)
        deadline.text_is_complete()

    # Two seconds from the end of the text, since that is all the server needs to know.
    assert await given_up_at(block) == 3.5


@on_virtual_time
async def test_between_two_sounds_the_server_may_wait_for_more_text() -> None:
    async def block(deadline: SoundDeadline) -> None:
        deadline.text_has_begun()
        with deadline.paused():
            deadline.sound_has_begun()
        await passed(60)

    assert await given_up_at(block) is None


@on_virtual_time
async def test_after_the_end_of_the_text_every_sound_may_take_three_seconds() -> None:
    async def block(deadline: SoundDeadline) -> None:
        deadline.text_has_begun()
        with deadline.paused():
            deadline.sound_has_begun()
        deadline.text_is_complete()
        for _ in range(5):
            await passed(2.9)
            with deadline.paused():
                pass

    assert await given_up_at(block) == 5 * 2.9 + 3


@on_virtual_time
async def test_the_time_that_the_listeners_pace_takes_does_not_count() -> None:
    async def block(deadline: SoundDeadline) -> None:
        deadline.text_has_begun()
        with deadline.paused():
            deadline.sound_has_begun()
            deadline.text_is_complete()
            await passed(100)

    assert await given_up_at(block) == 103


@on_virtual_time
async def test_a_block_that_ends_in_time_is_not_ended() -> None:
    async def block(deadline: SoundDeadline) -> None:
        deadline.text_has_begun()

    assert await given_up_at(block, waits_until=1.9) is None


@pytest.mark.parametrize("call", ["text_has_begun", "text_is_complete", "sound_has_begun"])
@on_virtual_time
async def test_what_comes_in_the_very_moment_in_which_the_time_is_over_changes_nothing(call: str) -> None:
    async def text_comes(deadline: SoundDeadline) -> None:
        # Woken in the same turn of the loop as the deadline, and first.
        await until(2 - 1e-10)
        getattr(deadline, call)()
        asked_at.append(now())

    async def block(deadline: SoundDeadline) -> None:
        tasks.create_task(text_comes(deadline))
        deadline.text_has_begun()

    asked_at: list[float] = []
    async with asyncio.TaskGroup() as tasks:
        assert await given_up_at(block) == 2
        assert asked_at == [pytest.approx(2)]


@on_virtual_time
async def test_what_comes_while_the_block_is_being_left_changes_nothing() -> None:
    deadline = SoundDeadline()
    with pytest.raises(TimeoutError):
        async with deadline:
            deadline.text_has_begun()
            try:
                await until(3_600)
            finally:
                deadline.text_is_complete()
                with deadline.paused():
                    deadline.sound_has_begun()
    assert now() == pytest.approx(2, abs=0.001)
    deadline.text_is_complete()


@on_virtual_time
async def test_an_error_of_the_block_is_the_one_that_is_raised() -> None:
    with pytest.raises(Unavailable):
        async with SoundDeadline() as deadline:
            deadline.text_has_begun()
            raise Unavailable("gone")


@on_virtual_time
async def test_who_is_cancelled_is_cancelled() -> None:
    outcomes = []

    async def wait() -> None:
        try:
            async with SoundDeadline() as deadline:
                deadline.text_has_begun()
                await until(3_600)
        except TimeoutError:
            outcomes.append("time is over")
        except asyncio.CancelledError:
            outcomes.append("cancelled")
            raise

    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(wait())
        await passed(1)
        waiting.cancel()
    assert outcomes == ["cancelled"]
