"""Makes loud speech a little softer, so that soft words can be heard where it is noisy: a feed-forward compressor.

It follows the root mean square of 5 ms at a time, fast when that rises and slowly when it falls. Above the threshold
`ratio` dB more come out as one. Its gain runs straight within each of these blocks, so that there is no step.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BLOCK_SECONDS: Final = 0.005
_ATTACK_SECONDS: Final = 0.01
_RELEASE_SECONDS: Final = 0.15
# 3 dB below the level of speech: vowels are above it, and what is between them is not.
_THRESHOLD_DB: Final = -24.0
_SILENCE: Final = 1e-10


class Compressor:
    """One stream of sound; how it is cut into pieces makes no difference."""

    def __init__(self, sample_rate_hz: int, ratio: float) -> None:
        """Compress by `ratio`; 1: not at all."""
        self._block = round(_BLOCK_SECONDS * sample_rate_hz)
        self._slope = 1 - 1 / ratio
        self._rise, self._fall = (1 - math.exp(-_BLOCK_SECONDS / each) for each in (_ATTACK_SECONDS, _RELEASE_SECONDS))
        self._waiting = np.zeros(0, dtype=np.float32)
        self._power = 0.0
        self._gain = 1.0

    def push(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """What is ready after `samples`, of shape (samples,); less than 5 ms are held back."""
        if not self._slope:
            return samples
        self._waiting = np.concatenate((self._waiting, samples))
        whole = len(self._waiting) // self._block
        blocks = self._waiting[: whole * self._block].reshape(whole, self._block)
        self._waiting = self._waiting[whole * self._block :]
        return self._compressed(blocks)

    def finish(self) -> NDArray[np.float32]:
        """The rest."""
        length = len(self._waiting)
        padded = np.pad(self._waiting, (0, -length % self._block)).reshape(-1, self._block)
        self._waiting = self._waiting[:0]
        return self._compressed(padded)[:length]

    def _compressed(self, blocks: NDArray[np.float32]) -> NDArray[np.float32]:
        powers = []
        for power in np.square(blocks).mean(axis=1).tolist():
            self._power += (power - self._power) * (self._rise if power > self._power else self._fall)
            powers.append(self._power)
        over_db = np.maximum(10 * np.log10(np.maximum(powers, _SILENCE)) - _THRESHOLD_DB, 0)
        gains = np.append(self._gain, 10 ** (-over_db * self._slope / 20))
        self._gain = float(gains[-1])
        share = np.arange(1, self._block + 1) / self._block
        slopes = gains[:-1, None] + (gains[1:] - gains[:-1])[:, None] * share
        compressed: NDArray[np.float32] = (blocks * slopes).astype(np.float32).reshape(-1)
        return compressed
