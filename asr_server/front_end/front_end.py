"""A stream's sound on its way from the client to the voice detector and the engine, window by window.

What is left out of a stream, and what a muted microphone gives, are samples of zero. When they have lasted for a while
nobody looks at them any more: a window of them takes 7 µs. Nor does the voice detector hear them then, which is better
for it: after two seconds of them Silero finds a voice up to 160 ms later, and after ten it misses short words, because
its state goes on to where no sound has led it in its training.

Three forms of it: as it came in, until a window of it is whole; filtered, by which positions and loudness are judged,
and which the engine gets with one gain for a turn; and with the detector's gain. Positions are the same in all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from asr_server.audio_buffer import AudioBuffer
from asr_server.endpointing.endpointer import WINDOW_SAMPLES
from asr_server.front_end.gain import AutomaticGain, amplified
from asr_server.front_end.highpass import HighPass
from parley.audio import SAMPLE_BYTES, to_s16le

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from asr_server.endpointing.endpointer import Endpointer

# Windows of zeros that are heard as any others: the filter and the detector have come to rest by then, half a second.
_WINDOWS_TO_REST: Final = 16
_SILENCE: Final = bytes(WINDOW_SAMPLES * SAMPLE_BYTES)


@dataclass(frozen=True, slots=True)
class FrontEndConfig:
    """What is done to the sound."""

    highpass: bool = True
    """Take away what is under 80 Hz."""
    agc: bool = True
    """Make soft speakers louder."""


class FrontEnd:
    """The sound of one stream."""

    def __init__(self, config: FrontEndConfig, first_sample: int) -> None:
        """Begin with nothing, at `first_sample`."""
        self._highpass = HighPass() if config.highpass else None
        self._gain = AutomaticGain() if config.agc else None
        self._received = AudioBuffer(first_sample)
        self._gap_end = first_sample
        """Where the last gap in the sound ends."""
        self.in_gap = False
        """The last window has a gap in it: it is more silent than the room, so nothing is to be learnt from it."""
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

    def windows(self) -> Iterator[NDArray[np.float32] | None]:
        """The windows that are whole by now, each float32 of shape (512,), as the voice detector is to hear them.

        None: a window that it is not to hear: all of it was left out, or there have been only zeros for long.
        """
        while (end := (first := self.sound.end_sample) + WINDOW_SAMPLES) <= self._received.end_sample:
            self.in_gap = first < self._gap_end
            silent = self._received.is_silent(first, end)
            self._silent_windows = self._silent_windows + 1 if silent else 0
            if silent and (self.in_gap or self._silent_windows > _WINDOWS_TO_REST):
                self._received.forget(end)
                self.sound.append(_SILENCE, first)
                if self._gain is not None and not self.in_gap:
                    self._gain.pass_silence()
                yield None
                continue
            window = self._received.between(first, end)
            self._received.forget(end)
            if self._highpass is not None and not self.in_gap:
                window = self._highpass.filter(window)
            self.sound.append(to_s16le(window), first)
            yield window if self._gain is None or self.in_gap else self._gain.for_detector(window)

    def learn(self, probability: float, endpointer: Endpointer, *, in_turn: bool) -> None:
        """Take what the voice detector said to the last window, and what `endpointer` made of it."""
        if self._gain is None or self.in_gap:
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
