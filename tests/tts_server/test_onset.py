"""The silence before the first sound of a reply."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from tts_server.engine import Audio, WordMark
from tts_server.onset import from_first_sound
from tts_server.synthesizer import Begun

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tts_server.synthesizer import SynthesisEvent

RATE_HZ = 16_000
FRAME = 64
"""Samples in 4 ms."""
BEGUN = Begun(1, cached=False)


def sound(samples: int, value: int = 1_000) -> bytes:
    return np.full(samples, value, dtype="<i2").tobytes()


async def heard(*events: SynthesisEvent) -> list[SynthesisEvent]:
    async def made() -> AsyncIterator[SynthesisEvent]:
        for event in events:
            yield event

    return [event async for event in from_first_sound(made(), RATE_HZ)]


def pcm_of(events: list[SynthesisEvent]) -> bytes:
    return b"".join(event.pcm for event in events if isinstance(event, Audio))


@pytest.mark.parametrize(
    ("silent", "kept"),
    [(0, 0), (1, 1), (63, 63), (64, 0), (768, 0), (800, 32), (4_000, 32), (4_001, 4_001), (9_000, 9_000)],
)
@pytest.mark.parametrize("piece", [17, 320, 100_000])
async def test_whole_frames_of_it_are_taken_off_however_it_comes(silent: int, kept: int, piece: int) -> None:
    whole = bytes(2 * silent) + sound(500)
    pieces = [Audio(whole[start : start + 2 * piece]) for start in range(0, len(whole), 2 * piece)]
    assert pcm_of(await heard(BEGUN, *pieces)) == bytes(2 * kept) + sound(500)


async def test_noise_that_nobody_hears_is_silence_and_a_whisper_is_not() -> None:
    assert pcm_of(await heard(Audio(sound(640, -32) + sound(5)))) == sound(5)
    assert pcm_of(await heard(Audio(sound(640, -33) + sound(5)))) == sound(640, -33) + sound(5)


async def test_marks_point_at_the_same_sound_as_before_and_come_before_it() -> None:
    marks = WordMark(0, 3, 0), WordMark(4, 7, 1_000)
    told = await heard(BEGUN, *marks, Audio(bytes(2 * 10 * FRAME)), Audio(sound(700)), WordMark(8, 9, 1_100))
    assert told == [
        BEGUN,
        WordMark(0, 3, 0),
        WordMark(4, 7, 1_000 - 10 * FRAME),
        Audio(sound(700)),
        WordMark(8, 9, 1_100 - 10 * FRAME),
    ]


async def test_a_reply_that_is_silent_throughout_is_left_as_it_is() -> None:
    mark = WordMark(0, 3, 10)
    assert await heard(BEGUN, mark, Audio(bytes(100)), Audio(bytes(60))) == [BEGUN, mark, Audio(bytes(160))]
