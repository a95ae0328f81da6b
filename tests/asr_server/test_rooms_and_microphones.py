"""Real speech as bad microphones and rooms give it is heard by detector and engine; what is no speech is not."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import jiwer
import numpy as np
import pytest

from asr_server.front_end.front_end import FrontEndConfig
from tests.asr_server.sounds import RATE_HZ, hum, noise, pcm, recording
from tests.asr_server.test_recordings import NOT_SPEECH, hear, turns, words

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from asr_server.engines.moonshine.engine import MoonshineEngine
    from serving.threads import Worker

    Spoil = Callable[[NDArray[np.float64]], NDArray[np.float64]]

QUESTION = "v2j-time"
RAW = FrontEndConfig(highpass=False, agc=False)
SPOKEN_SOFTLY = (
    "v2j-time", "living-room-lamp", "living-room-light", "quilter", "gcp-230pm", "ill-disposed", "cold-hearted",
    "go-forward", "ten-of-clubs", "ms-weather",
)  # fmt: skip
SOFTLY_DB = -55.0


def offset(of: float) -> Spoil:
    return lambda voice: voice + of


def rumble(hertz: float) -> Spoil:
    return lambda voice: voice + 0.3 * hum(hertz, len(voice))


@pytest.mark.parametrize(
    ("peak", "spoil"),
    [
        *((0.1, offset(by)) for by in (0.1, 0.3, -0.7)),
        (0.3, offset(0.6)),
        (0.03, offset(0.1)),
        *((0.1, rumble(by)) for by in (25.0, 32.0, 40.0)),
    ],
)
async def test_a_voice_over_an_offset_or_rumble_is_understood(
    engine: MoonshineEngine, worker: Worker, speech_dir: Path, peak: float, spoil: Spoil
) -> None:
    sound = spoil(recording(speech_dir, QUESTION, peak=peak))
    said = turns(await hear(engine, worker, pcm(sound)))
    assert [words(turn.text) for turn in said] == ["what time is it"]
    spans = [(turn.first_sample, turn.speech_end_sample) for turn in said]
    plain = turns(await hear(engine, worker, pcm(recording(speech_dir, QUESTION, peak=peak))))
    for (first, end), turn in zip(spans, plain, strict=True):
        assert abs(first - turn.first_sample) <= 0.1 * RATE_HZ
        assert abs(end - turn.speech_end_sample) <= 0.1 * RATE_HZ


@pytest.mark.parametrize("floor_db", [-math.inf, -90.0])
@pytest.mark.timeout(240)
async def test_eight_of_ten_speakers_who_are_55_db_too_soft_are_heard(
    engine: MoonshineEngine, worker: Worker, speech_dir: Path, floor_db: float
) -> None:
    heard = {"": 0, "raw": 0}
    for name in SPOKEN_SOFTLY:
        voice = recording(speech_dir, name, peak=0.5) * 10 ** (SOFTLY_DB / 20)
        sound = pcm(voice + (noise(floor_db, len(voice)) if floor_db > -math.inf else 0.0))
        wanted = words((speech_dir / f"{name}.txt").read_text())
        for how, front_end in (("", None), ("raw", RAW)):
            said = " ".join(turn.text for turn in turns(await hear(engine, worker, sound, front_end)))
            heard[how] += jiwer.wer(wanted, words(said) or "-") <= 0.5
    assert heard[""] >= 0.8 * len(SPOKEN_SOFTLY)
    assert heard["raw"] <= 0.5 * len(SPOKEN_SOFTLY), "they are not soft enough to need any of it"


@pytest.mark.parametrize("name", NOT_SPEECH)
@pytest.mark.parametrize("softer_db", [20, 50])
async def test_what_is_no_speech_is_none_either_when_it_is_soft(
    engine: MoonshineEngine, worker: Worker, speech_dir: Path, name: str, softer_db: float
) -> None:
    sound = recording(speech_dir, name, peak=1.0) * 10 ** (-softer_db / 20)
    assert turns(await hear(engine, worker, pcm(sound))) == []


@pytest.mark.parametrize("decibels", [-95, -80, -65, -50, -35, -20])
async def test_the_noise_of_a_room_is_no_speech(engine: MoonshineEngine, worker: Worker, decibels: float) -> None:
    events = await hear(engine, worker, pcm(noise(decibels, 10 * RATE_HZ)))
    assert turns(events) == []


async def test_an_offset_that_comes_and_goes_is_no_speech(engine: MoonshineEngine, worker: Worker) -> None:
    sound = np.zeros(8 * RATE_HZ)
    sound[2 * RATE_HZ : 4 * RATE_HZ], sound[5 * RATE_HZ :] = 0.5, -0.3
    assert turns(await hear(engine, worker, pcm(sound))) == []


async def test_a_loud_voice_is_given_to_the_engine_as_loud_as_it_was(
    engine: MoonshineEngine, worker: Worker, speech_dir: Path
) -> None:
    sound = pcm(recording(speech_dir, QUESTION, peak=0.99))
    with_gain = turns(await hear(engine, worker, sound))
    without = turns(await hear(engine, worker, sound, FrontEndConfig(agc=False)))
    assert [turn.text for turn in with_gain] == [turn.text for turn in without]
