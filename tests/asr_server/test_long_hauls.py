"""What lasts long or comes fast: monologues, silence, speech into a transcription. No sample may get lost in it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from parley import asr
from tests.asr_server.test_service import LOUD, QUIET, chunks, heard, serving

RATE_HZ = 16_000
PRE_ROLL_SAMPLES = 4_800
WINDOW_SAMPLES = 512


def spans(events: list[asr.Event]) -> list[tuple[int, int]]:
    """First and last sample of all that was said to be a turn, or none."""
    return [
        (event.first_sample, event.end_sample)
        for event in events
        if isinstance(event, asr.EndOfTurn | asr.TurnDiscarded)
    ]


def accounted(events: list[asr.Event]) -> int:
    return max(event.end_sample for event in events if isinstance(event, asr.AudioAck))


async def test_a_monologue_of_minutes_is_told_in_turns_without_a_gap_between_them() -> None:
    async with serving() as client:
        events = await heard(client, asr.Config(), *chunks((LOUD, 170.0), (QUIET, 1.0)))
    found = spans(events)
    reasons = [event.reason for event in events if isinstance(event, asr.EndOfTurn)]
    assert reasons == [asr.EndReason.TOO_LONG, asr.EndReason.TOO_LONG, asr.EndReason.SILENCE]
    assert found[0][0] == 0
    assert all(one[1] == other[0] for one, other in pairwise(found))
    assert found[-1][1] >= 170 * RATE_HZ
    assert accounted(events) >= found[-1][1]


async def test_a_monologue_with_pauses_ends_at_the_first_one_after_half_a_minute() -> None:
    async with serving() as client:
        speech = [(LOUD, 8.0), (QUIET, 0.28)] * 8
        events = await heard(client, asr.Config(), *chunks(*speech, (QUIET, 1.0)))
    first = next(event for event in events if isinstance(event, asr.EndOfTurn))
    assert 30 * RATE_HZ < first.speech_end_sample < 34 * RATE_HZ


async def test_a_minute_of_silence_is_no_turn_and_what_follows_is_one() -> None:
    async with serving() as client:
        events = await heard(client, asr.Config(), *chunks((QUIET, 60.0), (LOUD, 1.0), (QUIET, 1.0)))
    acks = [event.end_sample for event in events if isinstance(event, asr.AudioAck)]
    assert all(0 < other - one <= 2 * RATE_HZ for one, other in pairwise(acks[:50])), "the sound is kept no longer"
    [turn] = [event for event in events if isinstance(event, asr.EndOfTurn)]
    assert turn.first_sample == pytest.approx(60 * RATE_HZ - PRE_ROLL_SAMPLES, abs=2 * WINDOW_SAMPLES)


async def test_speech_into_the_transcription_of_the_last_turn_is_a_turn_of_its_own() -> None:
    # The engine takes as long for each look as the user for what they say next.
    async with serving(("turn on the lamp", "and close the door please"), delay_seconds=0.4) as client:
        sound = chunks((LOUD, 0.8), (QUIET, 0.76), (LOUD, 0.6), (QUIET, 2.0))
        events = await heard(client, asr.Config(partials=False), *sound)
    turns = [event for event in events if isinstance(event, asr.EndOfTurn)]
    assert [turn.text for turn in turns] == ["turn on the lamp", "and close the door please"]
    assert turns[0].end_sample <= turns[1].first_sample


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_is_heard_every_sample_is_a_turns_a_discards_or_silence(seed: int) -> None:
    chance = np.random.default_rng(seed)
    runs = [(LOUD if place % 2 else QUIET, float(chance.choice([0.04, 0.12, 0.28, 0.6, 2.0]))) for place in range(60)]
    sound = chunks(*runs)
    async with serving(("turn on the", "the lamp", "what time is it?"), delay_seconds=0.002) as client:
        events = await heard(client, asr.Config(), *sound)
    found = spans(events)
    assert all(one[1] <= other[0] for one, other in pairwise(found))
    # What does not fill a last window is not looked at any more when the stream ends.
    whole = len(sound) * 640 // WINDOW_SAMPLES * WINDOW_SAMPLES
    loud = [one.first_sample for one in sound if isinstance(one, asr.Audio) and one.pcm == LOUD]
    # A window that holds less than half of a loud chunk may be called silence.
    missed = [
        first for first in loud if first + 320 < whole and not any(start <= first + 320 < end for start, end in found)
    ]
    assert missed == []
    assert len(sound) * 640 - accounted(events) <= PRE_ROLL_SAMPLES + WINDOW_SAMPLES
