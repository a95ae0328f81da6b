"""A stream's sound on its way to the voice detector and the engine: the same however it comes in."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_server.detection import VoiceDetection
from asr_server.endpointing.config import EndpointingConfig
from asr_server.endpointing.endpointer import WINDOW_SAMPLES, Endpointer
from asr_server.front_end.front_end import FrontEnd, FrontEndConfig
from asr_server.front_end.gain import MOST_DB, for_detector
from asr_server.front_end.highpass import HighPass
from parley.asr import EndReason
from parley.audio import to_float32
from tests.asr_server.sounds import hum, noise, pcm

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Iterator

FIRST = 1234
SAMPLES = WINDOW_SAMPLES * 100
# A quiet room with an offset, a soft voice in it, and a loud one at the end.
LOUDNESS = np.repeat([1e-5, 0.003, 1e-5, 0.4], SAMPLES // 4)
SOUND = pcm(0.1 + hum(300, SAMPLES) * LOUDNESS + noise(-90, SAMPLES))


class Ears:
    """A voice detector that keeps what it hears, and calls voice what is loud."""

    def __init__(self) -> None:
        self.heard: list[np.ndarray] = []
        self._newest = 0
        self.taken_back = 0

    async def probabilities(self, windows: np.ndarray) -> list[float]:
        self.heard += list(windows)
        self._newest = len(windows)
        return [0.9 if float(np.abs(window).max()) > 0.01 else 0.1 for window in windows]

    def take_back(self) -> None:
        del self.heard[-self._newest :]
        self.taken_back += 1


def at_once(step: Coroutine[object, object, float | None]) -> float | None:
    """The result of what does not wait."""
    try:
        step.send(None)
    except StopIteration as done:
        return cast("float | None", done.value)
    raise AssertionError("it waits")


def windows(front_end: FrontEnd) -> Iterator[np.ndarray | None]:
    """The windows that are whole, as the voice detector hears them; None: it does not."""
    while (run := front_end.run()) is not None:
        for place in range(run.length):
            gains = front_end.go_on(run, place)
            yield None if run.windows is None else for_detector(run.windows[place : place + 1], [gains])[0]


class Listener:
    """What is done with the windows of a front end, as a recognition does it."""

    def __init__(self, config: FrontEndConfig | None = None) -> None:
        self.front_end = FrontEnd(config or FrontEndConfig(), FIRST)
        self.ears = Ears()
        self.detection = VoiceDetection(self.front_end, self.ears)
        self.endpointer = Endpointer(EndpointingConfig(), FIRST)
        self.utterances: list[np.ndarray] = []

    @property
    def heard(self) -> list[np.ndarray]:
        return self.ears.heard

    def take(self, chunk: bytes, first_sample: int) -> None:
        self.front_end.append(chunk, first_sample)
        while (voiced := at_once(self.detection.probability())) is not None:
            self.endpointer.step(voiced)
            self.front_end.learn(voiced, self.endpointer, in_turn=self.endpointer.in_speech or voiced > 0.5)
            end = self.endpointer.position
            # What comes after the window is not there yet, however much of it has come.
            self.utterances.append(self.front_end.utterance(end - 2 * WINDOW_SAMPLES, end + WINDOW_SAMPLES))

    @property
    def all(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Everything that was heard: as it is kept, by the detector, and by the engine."""
        sound = self.front_end.sound
        whole = sound.between(sound.first_sample, sound.end_sample)
        return whole, np.concatenate(self.heard), np.concatenate(self.utterances)


def same(one: Listener, other: Listener) -> bool:
    """Whether two heard the same but for what rounding makes of it: a step of 16 bits where the sound is kept."""
    step = 1 / 32_768
    limits = (step, 1e-5, step * 10 ** (MOST_DB / 20))
    pairs = zip(one.all, other.all, limits, strict=True)
    return all(len(a) == len(b) and np.allclose(a, b, rtol=0, atol=1.01 * limit) for a, b, limit in pairs)


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
    assert same(hear(pairwise([0, *sorted(cuts), SAMPLES])), WHOLE)


def test_windows_whose_gain_the_detector_moves_are_heard_again_and_no_others() -> None:
    assert 0 < WHOLE.ears.taken_back < 20
    assert hear(pairwise(range(0, SAMPLES + 1, WINDOW_SAMPLES))).ears.taken_back == 0, "each was heard by itself"


def test_sound_that_is_sent_again_makes_no_difference() -> None:
    assert same(hear([(0, 9_000), (5_000, 30_001), (4, 29_000), (30_001, SAMPLES)]), WHOLE)


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
    for number, _ in enumerate(windows(front_end)):
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
    heard = np.concatenate([window for window in windows(front_end) if window is not None])
    assert int(np.argmax(np.abs(heard))) == 1_500
    assert front_end.sound.first_sample == FIRST
    assert front_end.sound.end_sample == FIRST + len(click)
    assert int(np.argmax(front_end.sound.between(FIRST, FIRST + len(click)))) == 1_500


def test_what_is_switched_off_leaves_the_sound_alone() -> None:
    listener = hear([(0, SAMPLES)], FrontEndConfig(highpass=False, agc=False))
    raw = np.frombuffer(SOUND, dtype="<i2").astype(np.float32) / 32_768
    assert np.array_equal(np.concatenate(listener.heard), raw)
    sound = listener.front_end.sound
    assert np.array_equal(sound.between(FIRST, FIRST + SAMPLES), raw)


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
    heard = list(windows(front_end))
    assert [window is None for window in heard] == [False] * 56 + [True] * 44 + [False] * 40
    samples = to_float32(sound)
    filtered = HighPass().filter(samples).reshape(-1, 512)
    for window, expected in zip(heard, filtered, strict=True):
        assert np.allclose(0 if window is None else window, expected, atol=1e-6)
    kept = front_end.sound.between(FIRST, FIRST + len(samples))
    assert np.allclose(kept, filtered.reshape(-1), atol=1 / 32_000)


def test_who_speaks_softly_after_a_gap_is_as_loud_to_the_detector_as_after_silence() -> None:
    room = pcm(noise(-70, WINDOW_SAMPLES * 300))
    loud = pcm(hum(300, WINDOW_SAMPLES * 50) * 0.045)
    loudness = []
    for left_out in (False, True):
        listener, end = Listener(), FIRST
        for sound in (room[: len(loud)], loud, room[: len(room) // 20]):
            listener.take(sound, end)
            end += len(sound) // 2
        if not left_out:
            listener.take(room, end)
        end += len(room) // 2
        listener.take(room[: 2 * WINDOW_SAMPLES * 12], end)
        loudness.append(float(np.abs(np.concatenate(listener.heard[-8:])).mean()))
    assert loudness[1] == pytest.approx(loudness[0], rel=0.1)


def test_sound_that_is_lost_in_a_turn_raises_no_gain() -> None:
    # A turn that begins loudly and goes on softly: it would get more, if its gain could rise before it is over.
    loudness = np.repeat([0.0, 0.14, 0.02], WINDOW_SAMPLES * np.array([40, 3, 100]))
    sound = pcm(hum(300, len(loudness)) * loudness + noise(-70, len(loudness)))
    lost, goes_on = WINDOW_SAMPLES * 130, WINDOW_SAMPLES * 138
    listener = Listener()
    listener.take(sound[: 2 * lost], FIRST)
    before = float(np.abs(listener.heard[-1]).max())
    listener.take(sound[2 * goes_on :], FIRST + goes_on)
    assert listener.endpointer.in_speech
    assert float(np.abs(listener.heard[-1]).max()) == pytest.approx(before, rel=0.05)


def test_a_gap_is_heard_no_more_either() -> None:
    front_end = FrontEnd(FrontEndConfig(), 0)
    front_end.append(SOUND, 0)
    assert sum(window is not None for window in windows(front_end)) == SAMPLES // WINDOW_SAMPLES
    front_end.append(b"", SAMPLES + 20 * 16_000)
    assert not any(window is not None for window in windows(front_end))
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
        while (run := front_end.run()) is not None:
            for place in range(run.length):
                gains = front_end.go_on(run, place)
                in_gap.append(run.in_gap)
                endpointer.step(0.1)
                front_end.learn(0.1, endpointer, in_turn=False)
                assert run.in_gap or run.windows is not None
                if run.windows is not None and not run.in_gap:
                    window = for_detector(run.windows[place : place + 1], [gains])
                    # Noise of -60 dB is raised to -50: were its floor learnt from the gap, it would be raised by 36 dB.
                    assert 20 * np.log10(np.sqrt(np.mean(window**2))) < -45
    starts = range(0, WINDOW_SAMPLES * len(in_gap), WINDOW_SAMPLES)
    held = [start < first + samples and start + WINDOW_SAMPLES > first for start in starts]
    assert in_gap == held
    whole = np.frombuffer(quiet[: 2 * first] + bytes(2 * samples) + quiet[2 * (first + samples) :], dtype="<i2")
    kept = front_end.sound.between(0, front_end.sound.end_sample)
    assert np.array_equal(kept, whole[: len(kept)].astype(np.float32) / 32768)
