"""No sample is beyond the ceiling, nothing below it is touched, and the gain never jumps."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tts_server.limiter import Limiter

RATE_HZ = 24_000
CEILING = 0.9
Sound = NDArray[np.float32]


def limited(*pieces: Sound) -> Sound:
    limiter = Limiter(RATE_HZ, CEILING)
    return np.concatenate([*(limiter.push(piece) for piece in pieces), limiter.finish()])


def tone(seconds: float, level: float) -> Sound:
    places = np.arange(round(seconds * RATE_HZ))
    return (level * np.sin(2 * np.pi * 220 * places / RATE_HZ)).astype(np.float32)


@pytest.mark.parametrize("seed", range(5))
def test_no_sample_is_beyond_the_ceiling(seed: int) -> None:
    noise = np.random.default_rng(seed)
    sound = (noise.standard_normal(RATE_HZ) * np.repeat(noise.random(10), RATE_HZ // 10) * 2).astype(np.float32)
    assert np.abs(sound).max() > 2
    assert np.abs(limited(sound)).max() <= CEILING + 1e-6


def test_what_is_below_the_ceiling_is_not_touched() -> None:
    sound = tone(0.5, 0.89)
    assert np.array_equal(limited(sound), sound)


def test_a_peak_is_lowered_with_what_is_beside_it_and_the_rest_left_alone() -> None:
    sound = tone(1.0, 0.3)
    peak = RATE_HZ // 2
    sound[peak] = 1.8
    made = limited(sound)
    assert made[peak] == pytest.approx(CEILING, abs=1e-5)
    # 5 ms before it, and 100 ms after it.
    assert np.array_equal(made[: peak - 6 * RATE_HZ // 1000], sound[: peak - 6 * RATE_HZ // 1000])
    assert np.allclose(made[peak + RATE_HZ // 10 :], sound[peak + RATE_HZ // 10 :])
    gains = made[np.abs(sound) > 0.1] / sound[np.abs(sound) > 0.1]
    assert gains.min() == pytest.approx(0.5, abs=1e-5)
    # A click would be a gain that changes from one sample to the next.
    assert np.abs(np.diff(made / np.where(sound == 0, 1, sound))[1:-1]).max() < 0.06


@pytest.mark.parametrize("size", [1, 23, 24, 25, 480, 4_801])
def test_it_makes_no_difference_how_sound_is_cut(size: int) -> None:
    sound = (np.random.default_rng(7).standard_normal(4_801)).astype(np.float32)
    pieces = [sound[place : place + size] for place in range(0, len(sound), size)]
    assert np.allclose(limited(*pieces), limited(sound), atol=1e-6)


def test_nothing_is_lost_and_little_is_held_back() -> None:
    limiter = Limiter(RATE_HZ, CEILING)
    sound = tone(0.1, 0.5)
    ready = limiter.push(sound)
    assert len(sound) - len(ready) <= 6 * RATE_HZ // 1000
    assert len(limiter.finish()) == len(sound) - len(ready)
    assert len(Limiter(RATE_HZ, CEILING).finish()) == 0
