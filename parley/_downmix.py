"""Two channels become one, and do not cancel each other where they are of opposite phase."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_CHANNELS: Final = 2
# Correlation of the channels: below the first they are of opposite phase, above the second they are not.
_OPPOSED: Final = -0.5
_ALIKE: Final = -0.2


class Downmix:
    """The mean of two channels, stretch by stretch; in one where they are of opposite phase the second is inverted.

    Microphones and cables that are wired wrongly, and effects for loudspeakers, make such channels. From one stretch to
    the next the second channel is faded over, so that nothing clicks.
    """

    def __init__(self, stretch_samples: int) -> None:
        """Judge so many samples at once."""
        self._stretch = stretch_samples
        self._held = np.empty((0, _CHANNELS), dtype=np.int16)
        self._sign = 1.0

    def push(self, samples: NDArray[np.int16]) -> bytes:
        """s16le that is ready after `samples`, of shape (samples, 2)."""
        held = np.concatenate((self._held, samples))
        whole = len(held) - len(held) % self._stretch
        self._held = held[whole:]
        return b"".join(self._mix(held[start : start + self._stretch]) for start in range(0, whole, self._stretch))

    def finish(self) -> bytes:
        """The rest; what comes now is another sound."""
        rest, self._held = self._held, self._held[:0]
        return self._mix(rest) if len(rest) else b""

    def _mix(self, samples: NDArray[np.int16]) -> bytes:
        left, right = samples.astype(np.float32).T
        before, self._sign = self._sign, self._judge(left, right)
        sign = np.linspace(before, self._sign, len(left), dtype=np.float32)
        mono: bytes = np.rint((left + sign * right) / _CHANNELS).clip(-32_768, 32_767).astype("<i2").tobytes()
        return mono

    def _judge(self, left: NDArray[np.float32], right: NDArray[np.float32]) -> float:
        powers = float(np.dot(left, left)) * float(np.dot(right, right))
        if not powers:
            return self._sign
        correlation = float(np.dot(left, right)) / powers**0.5
        if correlation < _OPPOSED:
            return -1.0
        return 1.0 if correlation > _ALIKE else self._sign
