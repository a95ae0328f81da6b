"""What a voice goes through after its gain: compression, and then a limiter, so that nothing clips."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from tts_server.engines.compressor import Compressor
from tts_server.limiter import Limiter

if TYPE_CHECKING:
    from numpy.typing import NDArray

CEILING: Final = 0.9
"""No sample is further from zero; 1 is full scale."""


class Dynamics:
    """One stream of sound; how it is cut into pieces makes no difference."""

    def __init__(self, sample_rate_hz: int, ratio: float) -> None:
        """Compress by `ratio`; 1: not at all."""
        self._compressor = Compressor(sample_rate_hz, ratio)
        self._limiter = Limiter(sample_rate_hz, CEILING)

    def push(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """What is ready after `samples`, of shape (samples,); some 10 ms are held back."""
        return self._limiter.push(self._compressor.push(samples))

    def finish(self) -> NDArray[np.float32]:
        """The rest."""
        last = self._limiter.push(self._compressor.finish())
        return np.concatenate((last, self._limiter.finish()))
