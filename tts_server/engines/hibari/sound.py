"""Sound as an engine gives it on: without the silence around it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_QUIET: Final = 0.002
"""No sample of silence is further from zero: 54 dB below full scale."""
_FRAME_SECONDS: Final = 0.0125
_LEAD_FRAMES: Final = 2


class Trimmed:
    """A run of sound without the silence before it, and with as much as wanted of that after it."""

    def __init__(self, blocks: Iterator[NDArray[np.float32]], sample_rate_hz: int, tail_seconds: float) -> None:
        """Take from `blocks` until there is a sound; the rest as it is asked for."""
        self._blocks = blocks
        self._frame = round(_FRAME_SECONDS * sample_rate_hz)
        self._tail = round(tail_seconds * sample_rate_hz)
        self._waiting = np.zeros(0, dtype=np.float32)
        self.taken_off = 0
        """Samples that were before the first one."""
        for block in blocks:
            self._waiting = np.concatenate((self._waiting, block))
            if len(loud := np.flatnonzero(np.abs(self._waiting) > _QUIET)):
                self.taken_off = max(0, int(loud[0]) // self._frame - _LEAD_FRAMES) * self._frame
                self._waiting = self._waiting[self.taken_off :]
                return
        self._waiting = self._waiting[:0]

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        """The sound; silence is held back until something follows it."""
        waiting, self._waiting = self._waiting, self._waiting[:0]
        while True:
            loud = np.flatnonzero(np.abs(waiting) > _QUIET)
            sounding = int(loud[-1]) + 1 if len(loud) else 0
            if sounding:
                yield waiting[:sounding]
            waiting = waiting[sounding:]
            block = next(self._blocks, None)
            if block is None:
                break
            waiting = np.concatenate((waiting, block))
        if len(tail := waiting[: self._tail]):
            yield tail
