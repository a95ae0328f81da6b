"""Keeps sound within full scale without clipping: a look-ahead limiter, for voices with peaks far above the rest.

The gain is reckoned for each millisecond and runs straight between them. It begins to fall some milliseconds before a
peak and rises slowly after it, so nothing is heard of it, and what is below the ceiling by then is not touched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ATTACK_MS: Final = 5
_RELEASE_MS: Final = 100


class Limiter:
    """One stream of sound; how it is cut into pieces makes no difference."""

    def __init__(self, sample_rate_hz: int, ceiling: float) -> None:
        """Let no sample be further from zero than `ceiling`; 1 is full scale."""
        self._ceiling = ceiling
        self._block = sample_rate_hz // 1000
        self._waiting = np.zeros(0, dtype=np.float32)
        self._gain: float | None = None

    def push(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """What is ready after `samples`, of shape (samples,); 5 to 6 ms are held back."""
        self._waiting = np.concatenate((self._waiting, samples))
        whole = len(self._waiting) // self._block
        return self._take(whole, whole - _ATTACK_MS)

    def finish(self) -> NDArray[np.float32]:
        """The rest."""
        length = len(self._waiting)
        self._waiting = np.pad(self._waiting, (0, -length % self._block))
        whole = len(self._waiting) // self._block
        return self._take(whole, whole)[:length]

    def _take(self, whole: int, ready: int) -> NDArray[np.float32]:
        """The first `ready` of `whole` blocks, limited."""
        if ready <= 0:
            return np.zeros(0, dtype=np.float32)
        blocks = self._waiting[: whole * self._block].reshape(whole, self._block)
        gains = self._gains(np.abs(blocks).max(axis=1))[: ready + 1]
        self._waiting = self._waiting[ready * self._block :]
        self._gain = float(gains[-1])
        share = np.arange(self._block) / self._block
        slopes = gains[:-1, None] + (gains[1:] - gains[:-1])[:, None] * share
        limited: NDArray[np.float32] = (blocks[:ready] * slopes).astype(np.float32).reshape(-1)
        return limited

    def _gains(self, peaks: NDArray[np.float32]) -> NDArray[np.float64]:
        """The gain at each border of blocks with `peaks`, the first border and the last included."""
        allowed = self._ceiling / np.maximum(peaks, self._ceiling)
        # A border belongs to the blocks on both of its sides.
        gains = np.minimum(np.append(allowed[0], allowed), np.append(allowed, allowed[-1]))
        places = np.arange(len(gains))
        falling = places / _ATTACK_MS
        gains = np.minimum.accumulate((gains + falling)[::-1])[::-1] - falling
        if self._gain is not None:
            gains[0] = self._gain
        rising = places / _RELEASE_MS
        return np.minimum.accumulate(gains - rising) + rising
