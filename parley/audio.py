"""PCM in its two forms, changes of rate, and sound files.

On the wire PCM is `bytes`, signed 16-bit little-endian mono; at engines it is a float32 array of shape (samples,) in
[-1, 1]. They are converted here and nowhere else. Knows nothing of codecs on the wire, of gRPC or of time.
"""

from __future__ import annotations

import io
import math
import os
import wave
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

import numpy as np

from parley._recording import Recording, read_recording
from parley.errors import InvalidInput, not_installed

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "LISTENING_RATE_HZ",
    "SAMPLE_BYTES",
    "Recording",
    "Resampler",
    "decode_file",
    "level_db",
    "read_recording",
    "resample",
    "to_float32",
    "to_s16le",
    "write_wav",
]

SAMPLE_BYTES: Final = 2
"""Bytes of one sample on the wire."""

LISTENING_RATE_HZ: Final = 16_000
"""Samples per second on the way to the ASR server."""

_FULL_SCALE: Final = 32_768.0
_STEP: Final = np.float32(1 / _FULL_SCALE)
_S16LE: Final = np.dtype("<i2")


def to_float32(pcm: bytes) -> NDArray[np.float32]:
    """Samples of s16le `pcm` as float32 in [-1, 1), shape (samples,).

    Raises:
        InvalidInput: the number of bytes is odd.
    """
    if len(pcm) % SAMPLE_BYTES:
        raise InvalidInput(f"pcm has {len(pcm)} bytes: 16-bit samples need an even number", field="pcm")
    # In two calls of numpy, the way back in five: in a server whose caches others use, 80 ms take 24 µs instead of 32.
    return np.frombuffer(pcm, _S16LE) * _STEP


def to_s16le(samples: NDArray[np.float32]) -> bytes:
    """Float samples of shape (samples,) as s16le bytes; what is outside [-1, 1] is clipped."""
    scaled = samples * _FULL_SCALE
    np.rint(scaled, out=scaled)
    scaled.clip(-_FULL_SCALE, _FULL_SCALE - 1, out=scaled)
    return scaled.astype(_S16LE).tobytes()


class Resampler:
    """Changes the rate of a stream of s16le bytes, without clicks at the joins (libsoxr, high quality)."""

    def __init__(self, from_hz: int, to_hz: int) -> None:
        """Prepare for one stream; equal rates pass through untouched.

        Raises:
            Unavailable: the rates differ, and soxr is not installed.
        """
        self._stream = None
        if from_hz == to_hz:
            return
        try:
            import soxr  # noqa: PLC0415 - most who talk to a Parley have no need of it
        except ModuleNotFoundError as error:
            raise not_installed("soxr, which is needed to change the rate of sound,", "audio") from error
        self._stream = soxr.ResampleStream(from_hz, to_hz, 1, dtype="int16")

    def push(self, pcm: bytes) -> bytes:
        """The samples that are ready after `pcm`; libsoxr holds some back until it knows what follows them."""
        if self._stream is None:
            return pcm
        ready: bytes = self._stream.resample_chunk(np.frombuffer(pcm, dtype="<i2")).astype("<i2").tobytes()
        return ready

    def finish(self) -> bytes:
        """The samples held back; the stream is over."""
        if self._stream is None:
            return b""
        rest: bytes = self._stream.resample_chunk(np.empty(0, dtype=np.int16), last=True).astype("<i2").tobytes()
        return rest


def level_db(pcm: bytes) -> float:
    """RMS of s16le `pcm` in dB of full scale; -inf for silence."""
    samples = np.frombuffer(pcm, dtype=_S16LE).astype(np.float32)
    power = float(samples.dot(samples)) / max(1, len(samples)) / 2**30
    return 10 * math.log10(power) if power else -math.inf


def resample(pcm: bytes, from_hz: int, to_hz: int) -> bytes:
    """Whole s16le `pcm` at another rate."""
    stream = Resampler(from_hz, to_hz)
    return stream.push(pcm) + stream.finish()


def decode_file(path: str | Path, sample_rate_hz: int) -> bytes:
    """The sound of a file as mono s16le, without a word on what of it could not be used; see `read_recording`.

    Raises:
        InvalidInput: the file is missing, empty, no audio at all, or longer than four hours.
        Unavailable: PyAV is not installed.
    """
    return read_recording(path, sample_rate_hz).pcm


def write_wav(target: str | Path | BinaryIO, pcm: bytes, sample_rate_hz: int) -> None:
    """Write mono s16le `pcm` as a WAV file, to a path or into a file that is open.

    A file that could not be finished is taken away, if there was none before.

    Raises:
        InvalidInput: there can be no file at this path, or the disk is full.
    """
    whole = io.BytesIO()
    with wave.open(whole, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(SAMPLE_BYTES)
        file.setframerate(sample_rate_hz)
        file.writeframes(pcm)
    if not isinstance(target, str | os.PathLike):
        target.write(whole.getbuffer())
        return
    try:
        _put(Path(target), whole.getvalue())
    except OSError as error:
        raise InvalidInput(f"{target} cannot be written: {error.strerror}", field="target") from error


def _put(target: Path, data: bytes) -> None:
    new = not target.exists()
    with target.open("wb") as file:
        try:
            file.write(data)
            file.flush()
        except OSError:
            if new:
                target.unlink()
            raise
