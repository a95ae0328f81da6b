"""Sounds for tests: recordings as other microphones and rooms would have given them. Float64 of shape (samples,)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from parley.audio import decode_file, to_s16le

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Sound = NDArray[np.float64]

RATE_HZ = 16_000


def recording(speech_dir: Path, name: str, *, peak: float) -> Sound:
    """A recording with its highest sample at `peak` of full scale, a second of silence before and two after it."""
    voice = np.frombuffer(decode_file(speech_dir / f"{name}.flac", RATE_HZ), dtype="<i2").astype(np.float64)
    return np.concatenate([np.zeros(RATE_HZ), voice / np.abs(voice).max() * peak, np.zeros(2 * RATE_HZ)])


def hum(hertz: float, samples: int) -> Sound:
    """A tone as loud as there can be."""
    tone: Sound = np.sin(2 * np.pi * hertz / RATE_HZ * np.arange(samples))
    return tone


def noise(decibels: float, samples: int, seed: int = 0) -> Sound:
    """White noise of so many decibels of full scale."""
    return np.random.default_rng(seed).normal(size=samples) * 10 ** (decibels / 20)


def pcm(sound: Sound) -> bytes:
    """A sound as a microphone gives it."""
    return to_s16le(sound.astype(np.float32))
