"""PCM in its two forms, changes of rate, and sound files.

On the wire PCM is `bytes`, signed 16-bit little-endian mono; at engines it is a float32 array of shape (samples,) in
[-1, 1]. They are converted here and nowhere else. Knows nothing of codecs on the wire, of gRPC or of time.
"""

from __future__ import annotations

import math
import os
import wave
from typing import TYPE_CHECKING, BinaryIO, Final

import numpy as np

from parley.errors import InvalidInput, Unavailable

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SAMPLE_BYTES: Final = 2
"""Bytes of one sample on the wire."""

LISTENING_RATE_HZ: Final = 16_000
"""Samples per second on the way to the ASR server."""

_FULL_SCALE = 32_768.0


def to_float32(pcm: bytes) -> NDArray[np.float32]:
    """Samples of s16le `pcm` as float32 in [-1, 1), shape (samples,).

    Raises:
        InvalidInput: the number of bytes is odd.
    """
    if len(pcm) % SAMPLE_BYTES:
        raise InvalidInput(f"pcm has {len(pcm)} bytes: 16-bit samples need an even number", field="pcm")
    return np.frombuffer(pcm, dtype="<i2").astype(np.float32) / np.float32(_FULL_SCALE)


def to_s16le(samples: NDArray[np.float32]) -> bytes:
    """Float samples of shape (samples,) as s16le bytes; what is outside [-1, 1] is clipped."""
    pcm: bytes = np.clip(np.rint(samples * _FULL_SCALE), -_FULL_SCALE, _FULL_SCALE - 1).astype("<i2").tobytes()
    return pcm


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
            raise _not_installed("soxr", "to change the rate of sound") from error
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
    samples = np.frombuffer(pcm, dtype="<i2").astype(np.float32)
    power = float(np.dot(samples, samples)) / max(1, len(samples)) / 2**30
    return 10 * math.log10(power) if power else -math.inf


def resample(pcm: bytes, from_hz: int, to_hz: int) -> bytes:
    """Whole s16le `pcm` at another rate."""
    stream = Resampler(from_hz, to_hz)
    return stream.push(pcm) + stream.finish()


def decode_file(path: str | Path, sample_rate_hz: int) -> bytes:
    """The first audio stream of any file that FFmpeg can read, as mono s16le at `sample_rate_hz`.

    Raises:
        InvalidInput: the file is missing, empty, broken, or has no audio.
        Unavailable: PyAV is not installed.
    """
    try:
        import av  # noqa: PLC0415 - most who talk to a Parley read no files
        import av.error  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise _not_installed("av", "to read sound files") from error
    pieces = bytearray()
    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                raise InvalidInput(f"{path}: no audio in this file", field="file")
            resampler = av.AudioResampler(format="s16", layout="mono", rate=sample_rate_hz)
            for frame in container.decode(container.streams.audio[0]):
                for part in resampler.resample(frame):
                    pieces += part.to_ndarray().astype("<i2").tobytes()
            for part in resampler.resample(None):
                pieces += part.to_ndarray().astype("<i2").tobytes()
    except FileNotFoundError as error:
        raise InvalidInput(f"{path}: no such file", field="file") from error
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise InvalidInput(f"{path}: cannot be read as audio ({error})", field="file") from error
    if not pieces:
        raise InvalidInput(f"{path}: the audio is empty", field="file")
    return bytes(pieces)


def write_wav(target: str | Path | BinaryIO, pcm: bytes, sample_rate_hz: int) -> None:
    """Write mono s16le `pcm` as a WAV file, to a path or into a file that is open."""
    with wave.open(os.fspath(target) if isinstance(target, os.PathLike) else target, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(SAMPLE_BYTES)
        file.setframerate(sample_rate_hz)
        file.writeframes(pcm)


def _not_installed(package: str, purpose: str) -> Unavailable:
    return Unavailable(f"{package}, which is needed {purpose}, is not installed: pip install 'parley[audio]'")
