"""The high-pass filter: what it takes away, what it leaves, and that it knows nothing of blocks."""

from __future__ import annotations

import math

import numpy as np
import pytest

from asr_server.front_end.highpass import CUTOFF_HZ, HighPass
from tests.asr_server.sounds import RATE_HZ, hum

WINDOW = 512


def filtered(sound: np.ndarray, size: int = WINDOW) -> np.ndarray:
    filters = HighPass()
    runs = [filters.filter(sound[at : at + size].astype(np.float32)) for at in range(0, len(sound), size)]
    return np.concatenate(runs)


def decibels(hertz: float) -> float:
    """How much louder a tone comes out, once the filter has settled."""
    tone = hum(hertz, WINDOW * 64)
    settled = len(tone) // 2
    return 10 * math.log10(np.mean(filtered(tone)[settled:] ** 2) / np.mean(tone[settled:] ** 2))


@pytest.mark.parametrize(("hertz", "most"), [(10, -60), (20, -46), (25, -38), (30, -32), (40, -22)])
def test_rumble_is_taken_away(hertz: float, most: float) -> None:
    assert decibels(hertz) < most


def test_the_cutoff_is_where_half_of_the_power_is_left() -> None:
    assert decibels(CUTOFF_HZ) == pytest.approx(-3, abs=0.1)


@pytest.mark.parametrize("hertz", [120, 200, 500, 1000, 4000, 7900])
def test_speech_is_left_as_it_is(hertz: float) -> None:
    assert decibels(hertz) == pytest.approx(0, abs=0.25)


@pytest.mark.parametrize("hertz", [200, 300, 500, 1000])
def test_speech_is_not_delayed_by_a_millisecond(hertz: float) -> None:
    times = np.arange(WINDOW * 40) - WINDOW * 20
    burst = np.sin(times * 2 * math.pi * hertz / RATE_HZ) * np.exp(-((times / (0.02 * RATE_HZ)) ** 2))
    power = filtered(burst) ** 2
    assert abs(float(np.sum(power * times) / np.sum(power))) <= 0.001 * RATE_HZ


@pytest.mark.parametrize("offset", [0.3, -0.7, 1.0])
def test_an_offset_is_silence_from_the_first_sample_on(offset: float) -> None:
    assert np.abs(filtered(np.full(WINDOW * 8, offset))).max() < 1e-6


def test_an_offset_that_changes_is_forgotten_within_a_tenth_of_a_second() -> None:
    sound = np.concatenate([np.full(WINDOW * 8, 0.5), np.full(WINDOW * 8, -0.3)])
    assert np.abs(filtered(sound)[WINDOW * 8 + RATE_HZ // 10 :]).max() < 1e-3


def test_it_is_the_filter_that_it_says_it_is() -> None:
    sound = np.random.default_rng(0).normal(size=WINDOW * 6)
    wanted = sound
    omega = 2 * math.pi * CUTOFF_HZ / RATE_HZ
    for pole in (math.pi / 8, 3 * math.pi / 8):
        alpha, cosine = math.sin(omega) * math.cos(pole), math.cos(omega)
        before, out = [wanted[0]] * 2, [0.0] * 2
        result = np.empty_like(wanted)
        for place, sample in enumerate(wanted):
            fed = (1 + cosine) / 2 * (sample - 2 * before[0] + before[1])
            result[place] = (fed + 2 * cosine * out[0] - (1 - alpha) * out[1]) / (1 + alpha)
            before, out = [sample, before[0]], [result[place], out[0]]
        wanted = result
    assert np.abs(filtered(sound) - wanted).max() < 1e-5


def test_how_many_samples_come_at_once_makes_no_difference() -> None:
    sound = np.random.default_rng(1).normal(size=WINDOW * 12)
    assert np.abs(filtered(sound, WINDOW) - filtered(sound, WINDOW * 4)).max() < 1e-6
