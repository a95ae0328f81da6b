"""A stream's sound on its way from the client to the voice detector and the engine, window by window.

What is left out of a stream, and what a muted microphone gives, are samples of zero. When they have lasted for a while
nobody looks at them any more: a window of them takes 7 µs. Nor does the voice detector hear them then, which is better
for it: after two seconds of them Silero finds a voice up to 160 ms later, and after ten it misses short words, because
its state goes on to where no sound has led it in its training.

Three forms of it: as it came in, until a window of it is whole; filtered, by which positions and loudness are judged,
and which the engine gets with one gain for a turn; and with the detector's gain. Positions are the same in all. Windows
that have come together are prepared together, and gone through one by one: nothing depends on how they came.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from asr_server.audio_buffer import AudioBuffer
from asr_server.endpointing.endpointer import WINDOW_SAMPLES
from asr_server.front_end.gain import AutomaticGain, amplified, levels_db
from asr_server.front_end.highpass import HighPass
from parley.audio import SAMPLE_BYTES, to_float32, to_s16le

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from asr_server.endpointing.endpointer import Endpointer
    from asr_server.front_end.gain import Gains

# Windows of zeros that are heard as any others: the filter and the detector have come to rest by then, half a second.
_WINDOWS_TO_REST: Final = 16
# At once: more do not come from a microphone, and what is decided meanwhile is decided for the more in vain.
_MOST_WINDOWS: Final = 8
_REST: Final = (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class FrontEndConfig:
    """What is done to the sound."""

    highpass: bool = True
    """Take away what is under 80 Hz."""
    agc: bool = True
    """Make soft speakers louder."""


@dataclass(frozen=True, slots=True)
class Run:
    """Windows in a row that are treated alike."""

    length: int
    """How many."""
    pcm: bytes
    """Their filtered sound, s16le."""
    windows: NDArray[np.float32] | None
    """The same before the voice detector's gain, of shape (windows, 512).

    None: it is not to hear them, since they were left out, or there have been only zeros for long.
    """
    levels_db: list[float]
    """How loud each is; empty where that does not matter."""
    in_gap: bool
    """There is a gap in each: it is more silent than the room, so nothing is to be learnt from it."""


class FrontEnd:
    """The sound of one stream."""

    def __init__(self, config: FrontEndConfig, first_sample: int) -> None:
        """Begin with nothing, at `first_sample`."""
        self._highpass = HighPass() if config.highpass else None
        self._gain = AutomaticGain() if config.agc else None
        self._received = AudioBuffer(first_sample)
        self._gap_end = first_sample
        """Where the last gap in the sound ends."""
        self._in_gap = False
        """The last window has a gap in it."""
        self._turn_gain: float | None = None
        self._turn_first = first_sample
        self._silent_windows = 0
        self.sound = AudioBuffer(first_sample)
        """The filtered sound that is still needed, up to the last whole window."""

    def append(self, pcm: bytes, first_sample: int) -> None:
        """Take s16le samples; those that are there already are left out, and a gap becomes silence.

        Raises:
            InvalidInput: an odd number of bytes, or a gap that is too long.
        """
        if first_sample > self._received.end_sample:
            self._gap_end = first_sample
        self._received.append(pcm, first_sample)

    @property
    def waiting_samples(self) -> int:
        """Sound that came and has not been given as windows."""
        return self._received.end_sample - self.sound.end_sample

    def run(self) -> Run | None:
        """The next windows that are alike, where those before have been gone through; None: no window is whole."""
        first = self.sound.end_sample
        most = min(_MOST_WINDOWS, (self._received.end_sample - first) // WINDOW_SAMPLES)
        if most <= 0:
            return None
        pcm = self._received.pcm(first, first + most * WINDOW_SAMPLES)
        in_gap, heard = self._kind(pcm, first, 0)
        length = 1
        while length < most:
            silent_windows = self._silent_windows
            if self._kind(pcm, first, length) != (in_gap, heard):
                self._silent_windows = silent_windows
                break
            length += 1
        self._received.forget(first + length * WINDOW_SAMPLES)
        pcm = pcm[: length * WINDOW_SAMPLES * SAMPLE_BYTES]
        if not heard:
            return Run(length, pcm, None, [], in_gap)
        samples = to_float32(pcm).reshape(length, WINDOW_SAMPLES)
        if self._highpass is not None and not in_gap:
            samples = self._highpass.filter(samples.reshape(-1)).reshape(length, WINDOW_SAMPLES)
            pcm = to_s16le(samples)
        return Run(length, pcm, samples, [] if self._gain is None or in_gap else levels_db(samples), in_gap)

    def _kind(self, pcm: bytes, first: int, place: int) -> tuple[bool, bool]:
        """Whether a window of `pcm`, which begins at `first`, has a gap in it, and whether it is to be heard."""
        size = WINDOW_SAMPLES * SAMPLE_BYTES
        in_gap = first + place * WINDOW_SAMPLES < self._gap_end
        # Of what is not silent, this looks at a few bytes.
        is_silent = pcm.startswith(bytes(size), place * size)
        self._silent_windows = self._silent_windows + 1 if is_silent else 0
        return in_gap, not is_silent or not (in_gap or self._silent_windows > _WINDOWS_TO_REST)

    def ahead(self, run: Run, place: int) -> list[Gains]:
        """The detector's gains for the windows of `run` from `place` on, unless it says otherwise than it said last."""
        if place == run.length or self._gain is None or run.in_gap:
            return [_REST] * (run.length - place)
        return self._gain.ahead(run.levels_db[place:])

    def go_on(self, run: Run, place: int) -> Gains:
        """Come to the window at `place` of `run`; gives the detector's gains for it."""
        size = WINDOW_SAMPLES * SAMPLE_BYTES
        self.sound.extend(run.pcm[place * size : (place + 1) * size])
        self._in_gap = run.in_gap
        if self._gain is None or run.in_gap:
            return _REST
        if run.windows is None:
            self._gain.pass_silence()
            return _REST
        return self._gain.move(run.levels_db[place])

    def learn(self, probability: float, endpointer: Endpointer, *, in_turn: bool) -> None:
        """Take what the voice detector said to the last window, and what `endpointer` made of it."""
        if self._gain is None:
            return
        if self._in_gap:
            if not in_turn:
                self._gain.pass_gap()
            return
        speaks = endpointer.assistant_speaks
        self._gain.learn(probability, in_turn=in_turn, is_speech=endpointer.in_speech, assistant_speaks=speaks)
        if not in_turn or endpointer.first_sample != self._turn_first:
            self._turn_gain, self._turn_first = None, endpointer.first_sample
        if in_turn and self._turn_gain is None and endpointer.may_hold_words:
            self._turn_gain = self._gain.for_turn()

    def utterance(self, first: int, end: int) -> NDArray[np.float32]:
        """The samples from `first` to before `end`, as far as they are there, as the engine is to hear them."""
        samples = self.sound.between(first, end)
        return samples if self._turn_gain is None else amplified(samples, self._turn_gain)

    def forget(self, before: int) -> None:
        """Keep nothing before this sample."""
        self.sound.forget(before)
