"""A loudspeaker without a speaker: plays a reply's packets against a clock, and keeps what a listener would have heard.

It waits for a small buffer before it plays, ducks and flushes when told to, and counts the times it ran dry: what the
page does in a worklet. Times are seconds on one clock that the caller reads. Knows nothing of wires.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from parley.audio import SAMPLE_BYTES

_PREBUFFER_SECONDS: Final = 0.06


class Playback:
    """Plays replies, one after the other, into one recording."""

    def __init__(self, sample_rate_hz: int, began_seconds: float) -> None:
        """Play at `sample_rate_hz`; the recording begins at `began_seconds`."""
        self._rate = sample_rate_hz
        self._began = began_seconds
        self._recording = bytearray()
        self._queue = bytearray()
        self._gain = 1.0
        self._started: float | None = None
        self._dry_since: float | None = None
        self._ended = False
        self.reply = 0
        self.played_samples = 0
        self.underruns = 0
        self.first_packet_seconds: float | None = None
        self.first_rendered_seconds: float | None = None

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
        self._queue.clear()
        self._gain, self._started, self._dry_since, self._ended = 1.0, None, None, False
        self.reply, self.played_samples, self.underruns = reply, 0, 0
        self.first_packet_seconds = self.first_rendered_seconds = None

    def push(self, pcm: bytes, now_seconds: float) -> None:
        """Sound of the reply has come."""
        self.advance(now_seconds)
        if self.first_packet_seconds is None:
            self.first_packet_seconds = now_seconds
        self._queue += pcm
        if self._dry_since is not None:
            self.underruns += 1
            self._dry_since, self._started = None, None
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
        self._queue.clear()
        self._ended = True

    @property
    def finished(self) -> bool:
        """True when all sound of the reply has been played or thrown away."""
        return self._ended and not self._queue

    def advance(self, now_seconds: float) -> None:
        """Play what is due by now."""
        due = round((now_seconds - self._began) * self._rate)
        missing = due - len(self._recording) // SAMPLE_BYTES
        if missing <= 0:
            return
        if self._started is None or now_seconds < self._started:
            self._recording += bytes(missing * SAMPLE_BYTES)
            return
        # The silence before the start belongs to the recording, not to the reply.
        waited = max(0, round((self._started - self._began) * self._rate) - len(self._recording) // SAMPLE_BYTES)
        waited = min(waited, missing)
        self._recording += bytes(waited * SAMPLE_BYTES)
        missing -= waited
        take = min(missing * SAMPLE_BYTES, len(self._queue))
        if take and self.first_rendered_seconds is None:
            self.first_rendered_seconds = self._started
        samples = np.frombuffer(bytes(self._queue[:take]), dtype="<i2")
        self._recording += (samples * self._gain).astype("<i2").tobytes()
        del self._queue[:take]
        self.played_samples += take // SAMPLE_BYTES
        short = missing * SAMPLE_BYTES - take
        if short:
            self._recording += bytes(short)
            if not self._ended and self._dry_since is None:
                self._dry_since = now_seconds

    def _start_if_enough(self, now_seconds: float) -> None:
        enough = len(self._queue) >= _PREBUFFER_SECONDS * self._rate * SAMPLE_BYTES or (self._ended and self._queue)
        if self._started is None and enough:
            self._started = now_seconds
