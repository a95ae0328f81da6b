"""The automatic gain: whom it makes louder, what it leaves alone, and when it moves."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_server.front_end.gain import MOST_DB, AutomaticGain, amplified, for_detector, levels_db
from tests.asr_server.sounds import hum, noise

if TYPE_CHECKING:
    from numpy.typing import NDArray

WINDOW = 512
WINDOWS_A_SECOND = 16_000 / WINDOW
ROOM_DB = -95.0


def heard_with(gain: AutomaticGain, window: NDArray[np.float32]) -> NDArray[np.float32]:
    """The next window, as the voice detector hears it."""
    [level_db] = levels_db(window[np.newaxis])
    return for_detector(window[np.newaxis], [gain.move(level_db)]).reshape(-1)


@dataclass
class Ear:
    """A stream's gain, with somebody who knows what is voice."""

    gain: AutomaticGain = field(default_factory=AutomaticGain)
    assistant_speaks: bool = False
    seeds: itertools.count[int] = field(default_factory=itertools.count)

    def quiet(self, seconds: float, decibels: float = ROOM_DB) -> float:
        """Be in a room with so much noise; gives the detector's gain at the end, in decibels."""
        return self._hear([noise(decibels, WINDOW, next(self.seeds)) for _ in _windows(seconds)], voiced=False)

    def voice(self, seconds: float, decibels: float) -> float:
        """Speak so loudly, as root mean square; gives the detector's gain at the end, in decibels."""
        tone = hum(300, WINDOW) * math.sqrt(2) * 10 ** (decibels / 20)
        return self._hear([tone for _ in _windows(seconds)], voiced=True)

    def miss(self, seconds: float) -> None:
        """Get nothing for so long."""
        for _ in _windows(seconds):
            self.gain.pass_gap()

    @property
    def turn_db(self) -> float:
        """Gain of the turn under way for the engine."""
        return 20 * math.log10(self.gain.for_turn())

    def _hear(self, windows: list[np.ndarray], *, voiced: bool) -> float:
        given_db = math.nan
        for number, window in enumerate(windows):
            sound = window.astype(np.float32)
            heard = heard_with(self.gain, sound)
            given_db = 20 * math.log10(abs(float(heard[-1] / sound[-1])))
            self.gain.learn(
                0.95 if voiced else 0.05,
                in_turn=voiced,
                is_speech=voiced and number >= 6,
                assistant_speaks=self.assistant_speaks,
            )
        return given_db


def _windows(seconds: float) -> range:
    return range(round(seconds * WINDOWS_A_SECOND))


@pytest.mark.parametrize("loud_db", [-50.0, -30.0, -20.0])
@pytest.mark.parametrize("silent_seconds", [0.5, 4.0, 30.0])
def test_silence_that_was_left_out_makes_as_ready_for_the_next_voice_as_silence_that_was_heard(
    loud_db: float, silent_seconds: float
) -> None:
    heard, left_out = Ear(), Ear()
    for ear in (heard, left_out):
        ear.quiet(2.5, -70)
        ear.voice(1.5, loud_db)
        ear.quiet(0.5, -70)
    heard.quiet(silent_seconds, -70)
    left_out.miss(silent_seconds)
    assert left_out.quiet(0.3, -70) == pytest.approx(heard.quiet(0.3, -70), abs=1)


def test_before_anybody_has_spoken_a_very_soft_voice_is_waited_for() -> None:
    assert Ear().quiet(2.5) == pytest.approx(MOST_DB, abs=1)


@pytest.mark.parametrize("decibels", [-28.0, -20.0, -10.0])
def test_a_loud_sound_is_given_to_the_detector_as_it_is_even_before_that_calls_it_a_voice(decibels: float) -> None:
    ear = Ear()
    assert ear.quiet(2.0) > 20
    assert ear.quiet(0.032, decibels) == 0


def test_noise_is_not_raised_over_its_ceiling() -> None:
    for decibels in (-85.0, -70.0, -55.0):
        assert decibels + Ear().quiet(3, decibels) <= -49
    assert Ear().quiet(3, -40.0) == 0


def test_a_loud_voice_that_begins_softly_stays_as_loud_as_it_is() -> None:
    ear = Ear()
    ear.quiet(1.0)
    ear.voice(0.1, -60.0)
    ear.voice(0.04, -20.0)
    assert ear.turn_db == 0


@pytest.mark.parametrize("decibels", [-75.0, -65.0, -55.0])
def test_a_soft_voice_is_made_louder_for_the_engine(decibels: float) -> None:
    ear = Ear()
    ear.quiet(2)
    ear.voice(0.3, decibels)
    assert ear.turn_db == pytest.approx(min(MOST_DB, -30 - decibels), abs=1)


@pytest.mark.parametrize("decibels", [-29.0, -20.0, -6.0])
def test_a_voice_that_is_loud_enough_is_left_alone(decibels: float) -> None:
    ear = Ear()
    ear.quiet(2)
    assert ear.voice(0.3, decibels) == 0
    assert ear.turn_db == 0


def test_within_a_turn_the_gain_never_rises() -> None:
    ear = Ear()
    ear.quiet(2)
    loud = ear.voice(0.5, -40.0)
    assert ear.voice(3.0, -70.0) <= loud + 0.01


def test_somebody_softer_is_heard_after_a_loud_one_has_long_been_silent() -> None:
    ear = Ear()
    ear.quiet(1)
    ear.voice(1, -20.0)
    assert ear.quiet(5) == 0, "that was a pause"
    assert ear.quiet(95) > 30


def test_an_echo_of_the_assistant_is_neither_raised_nor_learnt() -> None:
    ear = Ear()
    ear.assistant_speaks = True
    assert ear.quiet(3) < 1
    ear.voice(1, -55.0)
    assert ear.voice(1, -55.0) == 0
    ear.assistant_speaks = False
    assert ear.quiet(3) == pytest.approx(MOST_DB, abs=1), "the echo was taken for the speaker"


def test_a_soft_speaker_who_is_known_can_interrupt() -> None:
    ear = Ear()
    ear.quiet(2)
    ear.voice(1, -70.0)
    ear.quiet(1)
    ear.assistant_speaks = True
    assert ear.quiet(20) > 30


def test_a_knock_is_no_speaker() -> None:
    ear = Ear()
    ear.quiet(2)
    ear.voice(0.1, -10.0)
    assert ear.quiet(2.5) == pytest.approx(MOST_DB, abs=1)


@given(st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=50), st.floats(1, 10 ** (MOST_DB / 20)))
def test_nothing_clips_and_nothing_changes_its_order(samples: list[float], gain: float) -> None:
    sound = np.array(sorted(samples), dtype=np.float32)
    louder = amplified(sound, gain)
    assert np.abs(louder).max() <= 1
    assert np.all(np.diff(louder) >= 0)
    assert np.all(np.abs(louder) + 1e-6 >= np.minimum(np.abs(sound), 0.7))


def test_no_gain_is_the_very_same_sound() -> None:
    sound = np.random.default_rng(0).uniform(-1, 1, WINDOW).astype(np.float32)
    assert np.array_equal(amplified(sound, 1.0), sound)


@pytest.mark.parametrize("heard", [True, False])
def test_zeros_say_nothing_of_how_noisy_the_room_is(*, heard: bool) -> None:
    ear = Ear()
    before = ear.quiet(3, -65.0)
    assert before == pytest.approx(15, abs=1)
    for _ in _windows(5):
        if heard:
            heard_with(ear.gain, np.zeros(WINDOW, dtype=np.float32))
        else:
            ear.gain.pass_silence()
        ear.gain.learn(0.0, in_turn=False, is_speech=False, assistant_speaks=False)
    assert ear.quiet(0.032, -65.0) == pytest.approx(before, abs=1)


def test_gains_for_windows_to_come_are_those_that_they_get_while_the_detector_says_the_same() -> None:
    ear = Ear()
    ear.quiet(1.0, -80.0)
    levels = [-81.0, -79.0, -80.0, -60.0, -30.0, -80.0]
    ahead = ear.gain.ahead(levels)
    for level_db, gains in zip(levels, ahead, strict=True):
        assert ear.gain.move(level_db) == gains
        ear.gain.learn(0.05, in_turn=False, is_speech=False, assistant_speaks=False)
    assert len({end for _, end in ahead}) > 3


def test_a_window_without_a_gain_is_the_very_same_sound_beside_one_that_has_one() -> None:
    windows = np.random.default_rng(0).uniform(-1, 1, (3, WINDOW)).astype(np.float32)
    heard = for_detector(windows, [(0.0, 0.0), (0.0, 6.0), (6.0, 6.0)])
    assert np.array_equal(heard[0], windows[0])
    alone = for_detector(windows[2:], [(6.0, 6.0)])
    assert np.array_equal(heard[2], alone[0])
    assert np.abs(heard[1:]).max() <= 1
