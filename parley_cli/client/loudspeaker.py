"""A loudspeaker without a speaker: plays replies against a clock, and can keep what a listener would have heard.

It waits for a small buffer before it plays, ducks and flushes when told to, and counts the times it ran dry: what the
page does in a worklet. Times are seconds on one clock that the caller reads. Knows nothing of wires or codecs.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from parley.audio import SAMPLE_BYTES

PREBUFFER_SECONDS: Final = 0.06
"""Sound that must have come before it begins to play."""


class Loudspeaker:
    """Plays replies, one after the other."""

    def __init__(self, sample_rate_hz: int, began_seconds: float, *, records: bool = True) -> None:
        """Play at `sample_rate_hz` from `began_seconds` on; without `records` only the samples are counted."""
        self.sample_rate_hz = sample_rate_hz
        """Samples per second."""
        self.began_seconds = began_seconds
        """When the recording begins."""
        self.reply = 0
        """Number of the reply that is playing, or was the last; 0: none yet."""
        self.played_samples = 0
        """Samples of it that were played."""
        self.underruns = 0
        """Times that the buffer ran dry within it."""
        self.first_packet_seconds: float | None = None
        """When its first packet came."""
        self.first_rendered_seconds: float | None = None
        """When its first sample was played."""
        self._records = records
        self._recording = bytearray()
        self._elapsed = 0
        self._queued = 0
        self._sound = bytearray()
        self._gain = 1.0
        self._started: float | None = None
        self._is_dry = self._ended = False

    @property
    def recording(self) -> bytes:
        """What was heard, s16le, silence included."""
        return bytes(self._recording)

    def recorded(self, first_sample: int, samples: int) -> bytes:
        """A stretch of the recording, s16le; silence where there is none."""
        start, end = max(0, first_sample) * SAMPLE_BYTES, max(0, first_sample + samples) * SAMPLE_BYTES
        return bytes(self._recording[start:end]).ljust(samples * SAMPLE_BYTES, b"\0")

    def begin(self, reply: int) -> None:
        """A new reply will follow."""
        self._clear()
        self._gain, self._started, self._is_dry, self._ended = 1.0, None, False, False
        self.reply, self.played_samples, self.underruns = reply, 0, 0
        self.first_packet_seconds = self.first_rendered_seconds = None

    def push(self, samples: int, now_seconds: float, pcm: bytes = b"") -> None:
        """Sound of the reply has come; `pcm`, s16le, is needed for a recording only."""
        self.advance(now_seconds)
        if self.first_packet_seconds is None:
            self.first_packet_seconds = now_seconds
        self._queued += samples
        self._sound += pcm
        if self._is_dry:
            self.underruns += 1
            self._is_dry, self._started = False, None
        self._start_if_enough(now_seconds)

    def end(self, now_seconds: float) -> None:
        """All sound of the reply has come."""
        self._ended = True
        self._start_if_enough(now_seconds)

    def gain(self, decibels: float, now_seconds: float) -> None:
        """Change the loudness from now on."""
        self.advance(now_seconds)
        self._gain = 10 ** (decibels / 20)

    def flush(self, now_seconds: float) -> None:
        """Throw away what has not been played."""
        self.advance(now_seconds)
        self._clear()
        self._ended = True

    @property
    def finished(self) -> bool:
        """True when all sound of the reply has been played or thrown away."""
        return self._ended and not self._queued

    @property
    def seconds_left(self) -> float | None:
        """How long the rest of the reply lasts; None: not all of it has come."""
        return self._queued / self.sample_rate_hz if self._ended else None

    def advance(self, now_seconds: float) -> None:
        """Play what is due by now."""
        missing = round((now_seconds - self.began_seconds) * self.sample_rate_hz) - self._elapsed
        if missing <= 0:
            return
        if self._started is None or now_seconds < self._started:
            self._be_silent(missing)
            return
        # The silence before the start belongs to the recording, not to the reply.
        start = round((self._started - self.began_seconds) * self.sample_rate_hz)
        waited = min(missing, max(0, start - self._elapsed))
        self._be_silent(waited)
        take = min(missing - waited, self._queued)
        if take and self.first_rendered_seconds is None:
            self.first_rendered_seconds = self._started
        self._play(take)
        short = missing - waited - take
        if short:
            self._be_silent(short)
            self._is_dry = not self._ended

    def _play(self, samples: int) -> None:
        if self._records:
            sound = np.frombuffer(bytes(self._sound[: samples * SAMPLE_BYTES]), dtype="<i2")
            self._recording += (sound * self._gain).astype("<i2").tobytes()
            del self._sound[: samples * SAMPLE_BYTES]
        self._queued -= samples
        self._elapsed += samples
        self.played_samples += samples

    def _be_silent(self, samples: int) -> None:
        if self._records:
            self._recording += bytes(samples * SAMPLE_BYTES)
        self._elapsed += samples

    def _clear(self) -> None:
        self._queued = 0
        self._sound.clear()

    def _start_if_enough(self, now_seconds: float) -> None:
        enough = self._queued >= PREBUFFER_SECONDS * self.sample_rate_hz or (self._ended and self._queued)
        if self._started is None and enough:
            self._started = now_seconds
