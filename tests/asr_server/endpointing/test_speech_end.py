"""Where a voice ended, by its loudness."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_server.audio_buffer import AudioBuffer
from asr_server.endpointing.speech_end import sharpened

RATE_HZ = 16_000
VOICE_END = RATE_HZ
FRAME = 64


def sound(*, level: float = 0.2, noise: float = 0.0, seconds: float = 2.0, voice_end: int = VOICE_END) -> AudioBuffer:
    """A voice from the beginning to `voice_end`, in a room of so much noise."""
    times = np.arange(round(seconds * RATE_HZ))
    voice = np.where(times < voice_end, level * np.sin(times * 0.3), 0.0)
    heard = voice + np.random.default_rng(0).normal(0, noise, len(times))
    buffer = AudioBuffer(0)
    buffer.append((heard * 32767).astype("<i2").tobytes(), 0)
    return buffer


@pytest.mark.parametrize("off_ms", [-48, -20, 0, 11, 48])
@pytest.mark.parametrize(("level", "noise"), [(0.2, 0.0), (0.2, 0.01), (0.01, 0.0), (0.9, 0.02)])
def test_the_end_is_found_to_a_few_milliseconds_wherever_the_detector_put_it(
    off_ms: int, level: float, noise: float
) -> None:
    found = sharpened(sound(level=level, noise=noise), VOICE_END + off_ms * 16)
    assert VOICE_END <= found < VOICE_END + 2 * FRAME


@pytest.mark.parametrize(
    "buffer",
    [
        pytest.param(AudioBuffer(0), id="no sound is kept"),
        pytest.param(AudioBuffer(VOICE_END + 50), id="only later sound is kept"),
        pytest.param(sound(voice_end=2 * RATE_HZ), id="the voice goes on"),
        pytest.param(sound(level=0.0), id="silence"),
        pytest.param(sound(level=0.0, noise=0.1), id="noise that is as loud as the voice was"),
        pytest.param(sound(seconds=1.01, voice_end=2 * RATE_HZ), id="the sound ends before the voice"),
        pytest.param(sound(voice_end=VOICE_END - RATE_HZ // 5), id="the voice fell long before"),
    ],
)
def test_where_no_fall_is_near_the_detector_is_believed(buffer: AudioBuffer) -> None:
    assert sharpened(buffer, VOICE_END) == VOICE_END


def test_a_buffer_that_begins_within_the_voice_is_enough() -> None:
    buffer = sound()
    buffer.forget(VOICE_END - 500)
    assert VOICE_END <= sharpened(buffer, VOICE_END - 300) < VOICE_END + 2 * FRAME


@given(
    st.binary(max_size=20_000).map(lambda pcm: pcm[: len(pcm) // 2 * 2]), st.integers(0, 12_000), st.integers(0, 900)
)
def test_whatever_is_heard_the_end_moves_by_two_windows_at_most(pcm: bytes, detected: int, first: int) -> None:
    buffer = AudioBuffer(first)
    buffer.append(pcm, first)
    found = sharpened(buffer, detected)
    assert abs(found - detected) <= 1024
    assert found == detected or first < found <= buffer.end_sample
