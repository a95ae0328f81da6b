"""A stream's sound on its way to the voice detector and the engine: the same however it comes in."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_server.endpointing.config import EndpointingConfig
from asr_server.endpointing.endpointer import WINDOW_SAMPLES, Endpointer
from asr_server.front_end.front_end import FrontEnd, FrontEndConfig
from asr_server.front_end.highpass import HighPass
from parley.asr import EndReason
from parley.audio import to_float32
from tests.asr_server.sounds import hum, noise, pcm

if TYPE_CHECKING:
    from collections.abc import Iterable

FIRST = 1234
SAMPLES = WINDOW_SAMPLES * 100
# A quiet room with an offset, a soft voice in it, and a loud one at the end.
LOUDNESS = np.repeat([1e-5, 0.003, 1e-5, 0.4], SAMPLES // 4)
SOUND = pcm(0.1 + hum(300, SAMPLES) * LOUDNESS + noise(-90, SAMPLES))


class Listener:
    """What is done with the windows of a front end, as a recognition does it."""

    def __init__(self, config: FrontEndConfig | None = None) -> None:
        self.front_end = FrontEnd(config or FrontEndConfig(), FIRST)
        self.endpointer = Endpointer(EndpointingConfig(), FIRST)
        self.heard: list[np.ndarray] = []
        self.utterances: list[np.ndarray] = []

    def take(self, chunk: bytes, first_sample: int) -> None:
        self.front_end.append(chunk, first_sample)
        for window in self.front_end.windows():
            assert window is not None, "there is noise everywhere"
            self.heard.append(window)
            voiced = 0.9 if float(np.abs(window).max()) > 0.01 else 0.1
            self.endpointer.step(voiced)
            self.front_end.learn(voiced, self.endpointer, in_turn=self.endpointer.in_speech or voiced > 0.5)
            end = self.endpointer.position
            self.utterances.append(self.front_end.utterance(end - 2 * WINDOW_SAMPLES, end))

    @property
    def all(self) -> tuple[bytes, bytes, bytes]:
        sound = self.front_end.sound
        whole = sound.between(sound.first_sample, sound.end_sample)
        return whole.tobytes(), np.concatenate(self.heard).tobytes(), np.concatenate(self.utterances).tobytes()


def hear(chunks: Iterable[tuple[int, int]], config: FrontEndConfig | None = None) -> Listener:
    """The sound in chunks, each from one of its samples to before another."""
    listener = Listener(config)
    for first, end in chunks:
        listener.take(SOUND[2 * first : 2 * end], FIRST + first)
    return listener


WHOLE = hear([(0, SAMPLES)])


@settings(max_examples=25)
@given(st.sets(st.integers(1, SAMPLES - 1), max_size=60))
def test_how_the_sound_is_cut_into_chunks_makes_no_difference(cuts: set[int]) -> None:
    assert hear(pairwise([0, *sorted(cuts), SAMPLES])).all == WHOLE.all


def test_sound_that_is_sent_again_makes_no_difference() -> None:
    assert hear([(0, 9_000), (5_000, 30_001), (4, 29_000), (30_001, SAMPLES)]).all == WHOLE.all


def test_the_voices_in_it_are_made_louder_and_their_order_in_loudness_stays() -> None:
    peaks = [float(np.abs(one).max()) for one in WHOLE.utterances]
    soft, loud = peaks[SAMPLES // WINDOW_SAMPLES // 2 - 3], peaks[-1]
    assert 0.02 < soft < loud < 1
    assert loud == pytest.approx(0.4, abs=0.01), "nobody asked for more"


def test_a_turn_that_follows_without_silence_has_a_gain_of_its_own() -> None:
    loudness = np.repeat([1e-5, 0.001, 0.4], WINDOW_SAMPLES * 40)
    sound = pcm(hum(300, len(loudness)) * loudness)
    front_end, endpointer = FrontEnd(FrontEndConfig(), 0), Endpointer(EndpointingConfig())
    front_end.append(sound, 0)
    for number, _ in enumerate(front_end.windows()):
        if number == 80:
            endpointer.flush(EndReason.FLUSH)
        endpointer.step(0.9 if number >= 40 else 0.1)
        front_end.learn(0.9 if number >= 40 else 0.1, endpointer, in_turn=number >= 40)
        if number == 79:
            assert float(np.abs(front_end.utterance(60 * WINDOW_SAMPLES, 79 * WINDOW_SAMPLES)).max()) > 0.01
    assert float(np.abs(front_end.utterance(100 * WINDOW_SAMPLES, len(sound))).max()) == pytest.approx(0.4, abs=0.01)


def test_positions_stay_what_they_are() -> None:
    click = np.zeros(WINDOW_SAMPLES * 8)
    click[1_500] = 0.5
    front_end = FrontEnd(FrontEndConfig(), FIRST)
    front_end.append(pcm(click), FIRST)
    heard = np.concatenate(list(front_end.windows()))
    assert int(np.argmax(np.abs(heard))) == 1_500
    assert front_end.sound.first_sample == FIRST
    assert front_end.sound.end_sample == FIRST + len(click)
    assert int(np.argmax(front_end.sound.between(FIRST, FIRST + len(click)))) == 1_500


def test_what_is_switched_off_leaves_the_sound_alone() -> None:
    listener = hear([(0, SAMPLES)], FrontEndConfig(highpass=False, agc=False))
    raw = np.frombuffer(SOUND, dtype="<i2").astype(np.float32) / 32_768
    assert np.array_equal(np.concatenate(listener.heard), raw)
    assert listener.all[0] == raw.tobytes()


def test_one_can_be_had_without_the_other() -> None:
    filtered = hear([(0, SAMPLES)], FrontEndConfig(highpass=True, agc=False))
    assert abs(float(np.concatenate(filtered.heard).mean())) < 1e-3
    assert float(np.abs(filtered.heard[40]).max()) == pytest.approx(0.003, abs=0.001)
    amplified = hear([(0, SAMPLES)], FrontEndConfig(highpass=False, agc=True))
    assert float(np.concatenate(amplified.heard).mean()) == pytest.approx(0.1, abs=0.02)


def test_zeros_that_last_are_heard_no_more_and_what_follows_is_as_if_they_had_been() -> None:
    sound = pcm(np.concatenate([hum(300, 512 * 40) * 0.4, np.zeros(512 * 60), hum(300, 512 * 40) * 0.4]))
    front_end = FrontEnd(FrontEndConfig(agc=False), FIRST)
    front_end.append(sound, FIRST)
    heard = list(front_end.windows())
    assert [window is None for window in heard] == [False] * 56 + [True] * 44 + [False] * 40
    samples = to_float32(sound)
    filtered = HighPass().filter(samples).reshape(-1, 512)
    for window, expected in zip(heard, filtered, strict=True):
        assert np.allclose(0 if window is None else window, expected, atol=1e-6)
    kept = front_end.sound.between(FIRST, FIRST + len(samples))
    assert np.allclose(kept, filtered.reshape(-1), atol=1 / 32_000)


def test_a_gap_is_heard_no_more_either() -> None:
    front_end = FrontEnd(FrontEndConfig(), 0)
    front_end.append(SOUND, 0)
    assert sum(window is not None for window in front_end.windows()) == SAMPLES // WINDOW_SAMPLES
    front_end.append(b"", SAMPLES + 20 * 16_000)
    assert not any(window is not None for window in front_end.windows())
    assert front_end.sound.end_sample == SAMPLES + 20 * 16_000


@settings(max_examples=25)
@given(st.integers(1, 60_000), st.integers(1, 20_000))
def test_a_gap_is_silence_in_its_place_and_nothing_is_learnt_from_it(first: int, samples: int) -> None:
    front_end = FrontEnd(FrontEndConfig(highpass=False), 0)
    endpointer = Endpointer(EndpointingConfig(), 0)
    quiet = pcm(noise(-60, 100_000))
    in_gap = []
    for start, end in ((0, first), (first + samples, 100_000)):
        front_end.append(quiet[2 * start : 2 * end], start)
        for window in front_end.windows():
            in_gap.append(front_end.in_gap)
            endpointer.step(0.1)
            front_end.learn(0.1, endpointer, in_turn=False)
            # Noise of -60 dB is raised to -50: were its floor learnt from the gap, it would be raised by 36 dB.
            assert front_end.in_gap or window is not None
            assert front_end.in_gap or window is None or 20 * np.log10(np.sqrt(np.mean(window**2))) < -45
    starts = range(0, WINDOW_SAMPLES * len(in_gap), WINDOW_SAMPLES)
    held = [start < first + samples and start + WINDOW_SAMPLES > first for start in starts]
    assert in_gap == held
    whole = np.frombuffer(quiet[: 2 * first] + bytes(2 * samples) + quiet[2 * (first + samples) :], dtype="<i2")
    kept = front_end.sound.between(0, front_end.sound.end_sample)
    assert np.array_equal(kept, whole[: len(kept)].astype(np.float32) / 32768)
