"""An engine's sound at the rate and the loudness that were asked for; a limiter keeps what is loud from clipping."""

from __future__ import annotations

from typing import Final

import numpy as np

from parley.audio import Resampler, to_float32, to_s16le
from tts_server.limiter import Limiter

# As far from full scale as engines stay.
_CEILING: Final = 0.97


class Loudness:
    """One stream of s16le, at another loudness; how it is cut into pieces makes no difference."""

    def __init__(self, sample_rate_hz: int, gain_db: float) -> None:
        """Add `gain_db` decibels; with 0 the sound stays as it is, to the last bit."""
        self._factor = np.float32(10 ** (gain_db / 20))
        self._limiter = Limiter(sample_rate_hz, _CEILING) if gain_db > 0 else None
        self._is_usual = not gain_db

    def push(self, pcm: bytes) -> bytes:
        """What is ready after `pcm`; louder sound is held back for 5 to 6 ms."""
        if self._is_usual:
            return pcm
        samples = to_float32(pcm) * self._factor
        return to_s16le(samples if self._limiter is None else self._limiter.push(samples))

    def finish(self) -> bytes:
        """The rest."""
        return b"" if self._limiter is None else to_s16le(self._limiter.finish())


class Converted:
    """One stream of an engine's sound, at another rate and loudness."""

    def __init__(self, from_hz: int, to_hz: int, gain_db: float) -> None:
        """Take s16le at `from_hz`, give it at `to_hz` and `gain_db` decibels louder."""
        self._resampler = Resampler(from_hz, to_hz)
        self._loudness = Loudness(to_hz, gain_db)

    def push(self, pcm: bytes) -> bytes:
        """What is ready after `pcm`."""
        return self._loudness.push(self._resampler.push(pcm))

    def finish(self) -> bytes:
        """The rest."""
        return self._loudness.push(self._resampler.finish()) + self._loudness.finish()
