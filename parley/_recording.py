"""A sound file as mono PCM: whatever of it can be decoded, and in words what cannot."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from parley._containers import Extent, extent_of
from parley._downmix import Downmix
from parley.errors import InvalidInput, not_installed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from av import AudioFrame, AudioResampler, Packet
    from av.audio.stream import AudioStream
    from av.container import InputContainer

# A few hundred kilobytes can hold days of silence, and all that is decoded lies in memory.
LONGEST_SECONDS: Final = 4 * 3600
# What is slower or faster is a damaged header: no sound that people hear, and a second of it could become gigabytes.
_LEAST_RATE_HZ: Final = 2_000
_MOST_RATE_HZ: Final = 768_000
# Containers that say how long they are; for others FFmpeg only estimates.
_KNOW_THEIR_LENGTH: Final = frozenset(("aiff", "caf", "flac", "matroska", "mov", "w64", "wav"))
_SHORT_SECONDS: Final = 0.25
# Failures in a row after which a file is not read on.
_MOST_FAILURES: Final = 100
_MIX_SECONDS: Final = 0.1
_MP4_MAGIC: Final = b"ftyp"


@dataclass(frozen=True, slots=True)
class Recording:
    """What a sound file holds."""

    pcm: bytes
    """Mono s16le at the rate that was asked for."""
    faults: tuple[str, ...] = ()
    """What could not be used of the file, half a sentence each; none for a file that is whole."""


def read_recording(path: str | Path, sample_rate_hz: int, longest_seconds: float = LONGEST_SECONDS) -> Recording:
    """The first audio stream of any file that FFmpeg can read, mixed down to one channel.

    A file that is damaged, cut off or joined of several gives whatever can be decoded.

    Raises:
        InvalidInput: the file is missing, empty, no audio at all, or longer than `longest_seconds`.
        Unavailable: PyAV is not installed.
    """
    try:
        from av.error import FFmpegError  # noqa: PLC0415 - most who talk to a Parley read no files
    except ModuleNotFoundError as error:
        raise not_installed("av, which is needed to read sound files,", "audio") from error
    if not str(path):
        raise InvalidInput("no file is named", field="file")
    try:
        # Opened here, for FFmpeg takes what stands before a colon in a name for a protocol, and %d for numbers. It only
        # gets the end of the name, which tells it what the beginning of the file may not.
        with Path(path).open("rb", buffering=0) as raw, io.BufferedReader(raw) as file:
            suffix = Path(path).suffix
            raw.name = f"recording{suffix}" if suffix[1:].isalnum() and suffix.isascii() else "recording"
            return _read(file, sample_rate_hz, longest_seconds)
    except InvalidInput as error:
        raise InvalidInput(f"{path}: {error}", field="file") from error
    except FileNotFoundError as error:
        raise InvalidInput(f"{path}: no such file", field="file") from error
    except (FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InvalidInput(f"{path}: cannot be read as audio: {reason}", field="file") from error


def _read(file: io.BufferedReader[io.FileIO], sample_rate_hz: int, longest_seconds: float) -> Recording:
    """What is in an open file.

    Raises:
        InvalidInput: no sound can be had from it; the sentence lacks its name.
        FFmpegError: the same, in FFmpeg's words.
    """
    import av  # noqa: PLC0415 - as above

    beginning = file.peek(8)[:8]
    if not beginning:
        raise InvalidInput("the file is empty")
    extent = extent_of(file)
    try:
        # What is said about the recording may be in any encoding.
        container = av.open(file, "r", metadata_errors="replace")
    except av.error.InvalidDataError as error:
        if beginning[4:] != _MP4_MAGIC:
            raise
        raise InvalidInput(
            "the file was cut off, and nothing can be decoded without the index that stood at its end: "
            "copy or export it anew"
        ) from error
    with container:
        if not container.streams.audio:
            raise InvalidInput("no audio in this file")
        decoding = _Decoding(container, container.streams.audio[0], sample_rate_hz, extent)
        return decoding.whole(longest_seconds)


class _Decoding:
    """One stream on its way to mono PCM."""

    def __init__(self, container: InputContainer, stream: AudioStream, sample_rate_hz: int, extent: Extent) -> None:
        self._container = container
        self._extent = extent
        self._stream = stream
        self._mono = _Mono(sample_rate_hz)
        self._damaged = 0
        self._odd: set[str] = set()

    def whole(self, longest_seconds: float) -> Recording:
        """Decode to the end.

        Raises:
            InvalidInput: nothing can be decoded, or too much.
        """
        for frame in self._frames():
            if not self._mono.push(frame):
                self._odd.add(f"{frame.layout.name} at {frame.sample_rate} samples a second")
            if self._mono.seconds > longest_seconds:
                raise InvalidInput(f"it is longer than {longest_seconds / 3600:g} hours: cut it into parts")
        pcm, faults = self._mono.finish(), tuple(self._faults())
        if not pcm:
            raise InvalidInput("; ".join(("there is no sound in this file", *faults[:1])))
        return Recording(pcm, faults)

    def _frames(self) -> Iterator[AudioFrame]:
        from av.error import FFmpegError  # noqa: PLC0415 - as above

        for packet in self._packets():
            try:
                yield from packet.decode()
            except FFmpegError:
                # The packet at the end, which has nothing in it, only asks for what the decoder held back.
                self._damaged += bool(packet.size)

    def _packets(self) -> Iterator[Packet[AudioStream]]:
        """All that can be read, beyond places where the container is damaged too."""
        from av.error import FFmpegError  # noqa: PLC0415 - as above

        failures = 0
        while failures < _MOST_FAILURES:
            try:
                for packet in self._container.demux(self._stream):
                    failures = 0
                    yield packet
            except FFmpegError:
                failures += 1
                self._damaged += 1
            else:
                return

    def _faults(self) -> Iterator[str]:
        if self._odd:
            yield f"sound of {min(self._odd)} cannot be used: save it with one or two channels at a usual rate"
        if self._extent.joined:
            yield "it is several files in one, of which the first was read"
        if self._damaged:
            yield f"{self._damaged} damaged {'place was' if self._damaged == 1 else 'places were'} left out"
        said = self._length_said()
        if said is not None and said - self._mono.seconds > _SHORT_SECONDS:
            yield f"it is said to last {said:.1f} s, and {self._mono.seconds:.1f} s of it are here"

    def _length_said(self) -> float | None:
        """Seconds that the container says it lasts; None where it does not know."""
        if self._extent.seconds is not None:
            return self._extent.seconds
        if _KNOW_THEIR_LENGTH.isdisjoint(self._container.format.name.split(",")):
            return None
        stream = self._stream
        if stream.duration and stream.time_base:
            return float(stream.duration * stream.time_base)
        alone = len(self._container.streams) == 1
        return self._container.duration / 1e6 if alone and self._container.duration else None


class _Mono:
    """Frames of any form become mono s16le of one rate."""

    def __init__(self, sample_rate_hz: int) -> None:
        self.seconds = 0.0
        """Length of the frames so far."""
        self._rate_hz = sample_rate_hz
        self._pcm = bytearray()
        self._form = ("", "", 0)
        self._channels = 1
        self._resampler: AudioResampler | None = None
        self._downmix = Downmix(round(_MIX_SECONDS * sample_rate_hz))

    def push(self, frame: AudioFrame) -> bool:
        """Take what comes next, of the form of what was before or of another; False when it cannot be converted."""
        from av.error import FFmpegError  # noqa: PLC0415 - as above

        if not _LEAST_RATE_HZ <= frame.sample_rate <= _MOST_RATE_HZ:
            return False
        form = (frame.format.name, frame.layout.name, frame.sample_rate)
        if self._resampler is None or form != self._form:
            self._flush()
            self._form = form
            self._resampler = self._new_resampler(frame)
        try:
            converted = self._resampler.resample(frame)
        except FFmpegError:
            # FFmpeg knows no order of so many channels.
            self._resampler = None
            return False
        self.seconds += frame.samples / frame.sample_rate
        self._take(converted)
        return True

    def finish(self) -> bytes:
        """All of it."""
        self._flush()
        return bytes(self._pcm)

    def _new_resampler(self, frame: AudioFrame) -> AudioResampler:
        from av import AudioResampler  # noqa: PLC0415 - as above

        self._channels = 1 if frame.layout.nb_channels == 1 else 2
        return AudioResampler(format="s16", layout="mono" if self._channels == 1 else "stereo", rate=self._rate_hz)

    def _flush(self) -> None:
        if self._resampler is not None:
            # Where nothing had to be changed, what comes back for None is None.
            self._take(list(filter(None, self._resampler.resample(None))))
        self._resampler = None
        self._pcm += self._downmix.finish()

    def _take(self, frames: list[AudioFrame]) -> None:
        for frame in frames:
            samples = frame.to_ndarray().astype(np.int16, copy=False).reshape(-1, self._channels)
            self._pcm += samples.astype("<i2").tobytes() if self._channels == 1 else self._downmix.push(samples)
