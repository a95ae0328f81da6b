"""The sound of one stream that is still needed, by its place on the session's audio clock. Knows nothing of speech."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from asr_server.engine import RATE_HZ
from parley.audio import to_float32
from parley.errors import InvalidInput

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_BYTES: Final = 2
# A client that paused for longer begins another stream.
_LONGEST_GAP_SECONDS: Final = 30


class AudioBuffer:
    """PCM at 16 kHz from `first_sample` to `end_sample`."""

    def __init__(self, first_sample: int) -> None:
        """Begin with nothing, at `first_sample`."""
        self.first_sample = first_sample
        self._pcm = bytearray()

    @property
    def end_sample(self) -> int:
        """Sample after the last one."""
        return self.first_sample + len(self._pcm) // _BYTES

    def append(self, pcm: bytes, first_sample: int) -> None:
        """Take s16le samples; those that are there already are left out, and a gap becomes silence.

        Raises:
            InvalidInput: an odd number of bytes, or a gap that is too long.
        """
        if len(pcm) % _BYTES:
            raise InvalidInput(f"pcm has {len(pcm)} bytes: samples have two each", field="audio.pcm")
        gap = first_sample - self.end_sample
        if gap > _LONGEST_GAP_SECONDS * RATE_HZ:
            raise InvalidInput(f"a gap of {gap} samples: open another stream", field="audio.first_sample")
        if gap > 0:
            self._pcm += bytes(gap * _BYTES)
        self._pcm += pcm[max(0, -gap) * _BYTES :]

    def extend(self, pcm: bytes) -> None:
        """Take the s16le samples that come after the last one."""
        self._pcm += pcm

    def between(self, first: int, end: int) -> NDArray[np.float32]:
        """The samples from `first` to before `end`, as far as they are there; float32 of shape (samples,)."""
        return to_float32(self.pcm(first, end))

    def pcm(self, first: int, end: int) -> bytes:
        """The same as s16le."""
        return bytes(self._pcm[(first - self.first_sample) * _BYTES : (end - self.first_sample) * _BYTES])

    def forget(self, before: int) -> None:
        """Keep nothing before this sample."""
        spare = before - self.first_sample
        if spare > 0:
            del self._pcm[: spare * _BYTES]
            self.first_sample = before
