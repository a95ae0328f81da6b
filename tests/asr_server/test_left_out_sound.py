"""Silence that is left out, or is nothing but zeros: nobody listens to it, and nothing else is different by it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from asr_server.engines.scripted import LevelVad, ScriptedEngine
from asr_server.engines.silero import load_silero
from parley import asr
from parley.audio import decode_file, to_float32
from tests.asr_server.sounds import noise, pcm
from tests.asr_server.test_service import LOUD, QUIET, chunks, heard, names, serving

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

RATE_HZ = 16_000
WINDOW_SAMPLES = 512
WINDOWS_A_SECOND = RATE_HZ / WINDOW_SAMPLES
WINDOW_MS = 32
CHUNK_SAMPLES = 640
REST_SECONDS = 0.55


class Counting(LevelVad):
    """Knows how many windows it was asked to hear."""

    def __init__(self) -> None:
        super().__init__()
        self.windows = 0

    async def probabilities(self, windows: NDArray[np.float32]) -> list[float]:
        self.windows += len(windows)
        return await super().probabilities(windows)


class Listening(ScriptedEngine):
    def __init__(self) -> None:
        super().__init__(("turn on the lamp",), 0.0)
        self.ear = Counting()

    def vad(self) -> LevelVad:
        return self.ear


def between(gap: list[asr.Request], seconds: float) -> list[asr.Request]:
    """Two utterances of a second each, and what is sent of so many seconds between them."""
    second = round((1.0 + seconds) * RATE_HZ) // CHUNK_SAMPLES * CHUNK_SAMPLES
    return [*chunks((LOUD, 1.0)), *gap, *chunks((LOUD, 1.0), (QUIET, 2.0), first_sample=second)]


def positions(events: list[asr.Event]) -> list[tuple[int, ...]]:
    return [
        (event.turn, event.first_sample, event.speech_end_sample, event.end_sample)
        for event in events
        if isinstance(event, asr.EndOfTurn)
    ]


GAPS = {
    "nothing": [],
    "zeros": chunks((QUIET, 20.0), first_sample=RATE_HZ),
    "its end in the middle": [asr.Audio(b"", 9 * RATE_HZ)],
    "its end by and by": [asr.Audio(b"", at * RATE_HZ) for at in range(2, 21)],
}


@pytest.mark.parametrize("gap", GAPS.values(), ids=GAPS)
async def test_turns_before_and_after_it_are_where_they_are(gap: list[asr.Request]) -> None:
    sent = between(gap, 20.0)
    engine = Listening()
    async with serving(engine=engine) as client:
        events = await heard(client, asr.Config(), *sent)
        # Sound that is next to nothing, and is listened to all the same.
        hiss = pcm(noise(-80, CHUNK_SAMPLES))
        slight = await heard(client, asr.Config(), *between(chunks((hiss, 20.0), first_sample=RATE_HZ), 20.0))
    assert len(positions(events)) == 2
    assert positions(events) == positions(slight)


@pytest.mark.parametrize("gap", GAPS.values(), ids=GAPS)
async def test_the_detector_hears_half_a_second_of_it(gap: list[asr.Request]) -> None:
    engine = Listening()
    async with serving(engine=engine) as client:
        await heard(client, asr.Config(), *between(gap, 20.0))
    assert engine.ear.windows <= (2.0 + 2 * REST_SECONDS) * WINDOWS_A_SECOND + 2


async def test_a_turn_ends_when_it_is_told_that_more_silence_was_left_out() -> None:
    async with serving() as client:
        events = await heard(client, asr.Config(), *chunks((LOUD, 1.0)), asr.Audio(b"", 2 * RATE_HZ), asr.Flush())
    assert names(events).index("EndOfTurn") < names(events).index("TurnDiscarded"), "the flush found none"
    [end] = [event for event in events if isinstance(event, asr.EndOfTurn)]
    assert end.reason is asr.EndReason.SILENCE


async def test_silero_is_as_quick_after_a_long_silence_as_at_the_beginning(speech_dir: Path) -> None:
    voice = to_float32(decode_file(speech_dir / "gcp-gemini.flac", RATE_HZ))
    sound = (voice * 32_767).astype("<i2").tobytes()
    again = 30 * RATE_HZ // CHUNK_SAMPLES * CHUNK_SAMPLES
    silero = load_silero()

    class Hearing(Listening):
        def vad(self) -> LevelVad:
            return silero.stream()  # type: ignore[return-value]  # it is another detector

    def of(first: int) -> list[asr.Request]:
        starts = range(0, len(sound), CHUNK_SAMPLES * 2)
        return [asr.Audio(sound[at : at + CHUNK_SAMPLES * 2], first + at // 2) for at in starts]

    async with serving(engine=Hearing()) as client:
        events = await heard(client, asr.Config(), *of(0), *of(again))
    onsets = [event.sample for event in events if isinstance(event, asr.VoiceOnset)]
    first, second = onsets[0], next(onset for onset in onsets if onset >= again) - again
    assert second == pytest.approx(first, abs=3 * WINDOW_SAMPLES)


@pytest.mark.parametrize(("words", "turns"), [("turn on the", 1), ("turn on the lamp", 2)])
async def test_the_words_before_it_decide_how_long_it_may_be(words: str, turns: int) -> None:
    after = round(2.2 * RATE_HZ) // CHUNK_SAMPLES * CHUNK_SAMPLES
    async with serving((words,)) as client:
        events = await heard(
            client, asr.Config(), *chunks((LOUD, 1.0)), *chunks((LOUD, 1.0), (QUIET, 2.0), first_sample=after)
        )
    assert len(positions(events)) == turns
