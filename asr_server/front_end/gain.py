"""Automatic gain (AGC) for soft speakers and quiet microphones. It only ever makes louder, and only what can be voice.

Two gains come of one estimate, for they serve two listeners. The voice detector hears window by window, so its gain
moves: before a turn up to what a very soft speaker needs, down as soon as a voice is loud, and within a turn never up,
so that no pause is filled with noise. The engine hears a whole turn with one gain (`for_turn`), chosen when it has
shown how loud it is: nothing pumps, and a transcription can go on from an earlier one of the same sound.

What bounds both: noise is not raised over a ceiling, and no gain is learnt while the assistant speaks, since what is
heard then may be its echo. A limiter keeps peaks from clipping. All depends on the sound before, window by window,
never on how it came in. Knows nothing of turns' ends.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from asr_server.endpointing.endpointer import WINDOW_SAMPLES
from asr_server.engine import RATE_HZ

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Gains = tuple[float, float]
    """At the beginning of a window and at its end, in decibels."""

MOST_DB: Final = 36.0
"""The most gain there is."""

# Loudness of the loud windows of a voice that needs no gain; the mean of a voice is some 5 dB under it.
_WANTED_DB: Final = -30.0
# Silero takes steady noise for no voice at any loudness, but what is in real rooms is more than that.
_NOISE_CEILING_DB: Final = -50.0
_LEAST_DB: Final = -100.0
_RISE_DB_A_SECOND: Final = 20.0
_NOISE_RISE_DB_A_SECOND: Final = 10.0
# Who is silent may give way to somebody softer: after a minute all of the gain is there again.
_FORGET_DB_A_SECOND: Final = 0.5
_VOICED: Final = 0.5
# A voice is as loud as its vowels.
_SHARE_OF_LOUDER: Final = 0.3
_SHARE_OF_SOFTER: Final = 0.02
# Up to here the limiter leaves samples alone.
_KNEE: Final = 0.7


class AutomaticGain:
    """The gain of one stream."""

    def __init__(self) -> None:
        """Begin with a speaker and a room that are not known."""
        self._gain_db = 0.0
        self._level_db = _LEAST_DB
        self._noise_db: float | None = None
        self._turn_db: float | None = None
        self._loudest_db = _LEAST_DB
        """Of the turn, which begins softly: what would take its beginning for all of it would make loud voices clip."""
        self._voice_db: float | None = None
        self._assistant_speaks = self._in_turn = self._is_voiced = self._is_speech = False
        self._is_learnt = True
        """What the detector said to the last window is known."""
        self._gap_windows = 0
        """Outside a turn, of the gap before the next window."""

    def ahead(self, levels: Sequence[float]) -> list[Gains]:
        """What `move` will give for windows that are so loud, if the detector goes on to say what it said last."""
        copied = AutomaticGain()
        # A fifth of what `copy.copy` takes.
        copied.__dict__.update(self.__dict__)
        return [copied.move(level_db) for level_db in levels]

    def move(self, level_db: float) -> Gains:
        """Let the detector's gain follow the next window, which is so loud; gives the gains for it."""
        if not self._is_learnt:
            self._learn()
        if self._gap_windows:
            self._come_through_gap()
        before = self._gain_db
        self._level_db = level_db
        self._is_learnt = False
        if self._noise_db is None:
            self._noise_db = level_db
        # What is loud needs none, whatever it is: a detector that hears it bent out of shape would not know a voice.
        self._gain_db = min(self._wanted(), self._gain_db + self._rise(1), max(0.0, _WANTED_DB - level_db))
        return min(before, self._gain_db), self._gain_db

    def pass_gap(self) -> None:
        """A window outside a turn was left out: nothing is learnt of it, but it lasts as long as others."""
        self._in_turn, self._turn_db = False, None
        self._gap_windows += 1

    def pass_silence(self) -> None:
        """The next window is nothing but zeros, and the voice detector does not hear it."""
        self.move(_LEAST_DB)

    def learn(self, probability: float, *, in_turn: bool, is_speech: bool, assistant_speaks: bool) -> None:
        """Take what the detector said to the last window, and what came of it.

        `in_turn`: from the first voice to the end of its turn; `is_speech`: there was voice enough to call it so.
        """
        self._is_voiced, self._is_speech = probability >= _VOICED, is_speech
        self._in_turn, self._assistant_speaks = in_turn, assistant_speaks
        self._learn()

    def _learn(self) -> None:
        self._is_learnt = True
        seconds = WINDOW_SAMPLES / RATE_HZ
        if not self._in_turn:
            self._turn_db = None
        self._forget(1)
        if self._is_voiced:
            if self._in_turn and not self._assistant_speaks:
                self._follow()
        elif self._level_db > _LEAST_DB:
            # Zeros are what a client has left out: the room is as noisy as it was before.
            noise = self._level_db if self._noise_db is None else self._noise_db
            self._noise_db = min(self._level_db, noise + _NOISE_RISE_DB_A_SECOND * seconds)
        if self._is_speech and self._turn_db is not None:
            self._voice_db = self._turn_db

    def _come_through_gap(self) -> None:
        """Have moved as in silence that was heard, for as long: it was no louder."""
        windows, self._gap_windows = self._gap_windows, 0
        self._forget(windows)
        if self._noise_db is not None:
            self._gain_db = min(self._wanted(), self._gain_db + self._rise(windows))

    def _rise(self, windows: int) -> float:
        """By how much the gain may rise in so many windows, in decibels."""
        return 0.0 if self._in_turn else _RISE_DB_A_SECOND * windows * WINDOW_SAMPLES / RATE_HZ

    def _forget(self, windows: int) -> None:
        """Trust a little less, outside a turn, that whoever spoke last speaks next."""
        if self._voice_db is not None and not self._in_turn and not self._assistant_speaks:
            self._voice_db -= _FORGET_DB_A_SECOND * windows * WINDOW_SAMPLES / RATE_HZ

    def for_turn(self) -> float:
        """What the sound of the turn under way is multiplied by for the engine, from its beginning to its end."""
        return min(_factor(self._wanted()), _factor(max(0.0, _WANTED_DB - self._loudest_db)))

    def _follow(self) -> None:
        self._loudest_db = max(self._loudest_db, self._level_db) if self._turn_db is not None else self._level_db
        if self._turn_db is None:
            self._turn_db = self._level_db
            return
        louder = self._level_db > self._turn_db
        self._turn_db += (self._level_db - self._turn_db) * (_SHARE_OF_LOUDER if louder else _SHARE_OF_SOFTER)

    def _wanted(self) -> float:
        """The gain that fits the speaker and the room, in decibels."""
        voice = self._turn_db if self._turn_db is not None else self._voice_db
        if voice is None:
            voice = _WANTED_DB if self._assistant_speaks else _WANTED_DB - MOST_DB
        noise = self._level_db if self._noise_db is None else self._noise_db
        return max(0.0, min(_WANTED_DB - voice, _NOISE_CEILING_DB - noise, MOST_DB))


def levels_db(windows: NDArray[np.float32]) -> list[float]:
    """How loud each of the windows is, of shape (windows, 512)."""
    powers: list[float] = np.vecdot(windows, windows).tolist()
    return [_decibels(power / windows.shape[1]) for power in powers]


def for_detector(windows: NDArray[np.float32], gains: Sequence[Gains]) -> NDArray[np.float32]:
    """Windows, of shape (windows, 512), as the voice detector is to hear them, each with its gains."""
    factors = [(_factor(begin), _factor(end)) for begin, end in gains]
    if all(begin == end for begin, end in factors):
        # Mostly they rest, and a ramp takes as long as all else here.
        if all(end == 1 for _, end in factors):
            return windows
        ramps = np.array([[end] for _, end in factors], dtype=np.float32)
    else:
        begins, ends = zip(*factors, strict=True)
        ramps = np.linspace(begins, ends, windows.shape[1], dtype=np.float32, axis=1)
    louder = _limited(windows * ramps)
    for number, each in enumerate(factors):
        if each == (1.0, 1.0):
            louder[number] = windows[number]
    return louder


def amplified(samples: NDArray[np.float32], gain: float) -> NDArray[np.float32]:
    """`samples` times `gain`, its peaks limited; a gain of 1 leaves all as it is."""
    return samples if gain == 1.0 else _limited(samples * np.float32(gain))


def _limited(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Samples bent under full scale, sample by sample, so that nothing depends on what comes with them."""
    size = np.abs(samples)
    if float(size.max(initial=0.0)) <= _KNEE:
        return samples
    bent = _KNEE + (1 - _KNEE) * np.tanh((size - _KNEE) / (1 - _KNEE))
    limited: NDArray[np.float32] = np.where(size > _KNEE, np.copysign(bent, samples), samples).astype(np.float32)
    return limited


def _decibels(power: float) -> float:
    return max(_LEAST_DB, 10 * math.log10(power)) if power > 0 else _LEAST_DB


def _factor(decibels: float) -> float:
    return float(10 ** (decibels / 20))
