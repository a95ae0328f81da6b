"""Sound files of any kind, as other programs write them."""

from __future__ import annotations

import io
import tempfile
import wave
from typing import TYPE_CHECKING, Final

import av
import numpy as np
from av.audio.stream import AudioStream

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

RATE_HZ: Final = 16_000
KINDS: Final = {
    "wav": "pcm_s16le", "flac": "flac", "mp3": "libmp3lame", "m4a": "aac", "ogg": "libopus", "webm": "libopus",
    "aiff": "pcm_s16be",
}  # fmt: skip
_FORMATS: Final = {"m4a": "mp4"}


def tone(seconds: float, hertz: float = 300.0) -> NDArray[np.int16]:
    """A tone that swells, so that no part is like another; at 16 kHz."""
    times = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return np.asarray(12_000 * (0.5 + times / seconds / 2) * np.sin(2 * np.pi * hertz * times)).astype("<i2")


def encoded(kind: str, *channels: NDArray[np.int16], layout: str = "", options: dict[str, str] | None = None) -> bytes:
    """A file of `kind` with these channels."""
    layout = layout or {1: "mono", 2: "stereo"}[len(channels)]
    # A file on the disk, since some kinds are read again while they are written.
    with tempfile.NamedTemporaryFile(suffix=f".{kind}") as file:
        _write(file.name, kind, channels, layout, options or {})
        return file.read()


def _write(name: str, kind: str, channels: Sequence[NDArray[np.int16]], layout: str, options: dict[str, str]) -> None:
    rate = 48_000 if KINDS[kind] == "libopus" else RATE_HZ
    with av.open(name, "w", format=_FORMATS.get(kind, kind), options=options) as container:
        stream = container.add_stream(KINDS[kind], rate=rate, layout=layout)
        assert isinstance(stream, AudioStream)
        resampler = av.AudioResampler(format=stream.format.name, layout=layout, rate=rate, frame_size=stream.frame_size)
        frame = av.AudioFrame.from_ndarray(_packed(channels), format="s16", layout=layout)
        frame.sample_rate = RATE_HZ
        for part in (*resampler.resample(frame), *resampler.resample(None)):
            if part is not None:
                container.mux(stream.encode(part))
        container.mux(stream.encode(None))


def wav(*channels: NDArray[np.int16], rate_hz: int = RATE_HZ) -> bytes:
    """A WAV file of any number of channels."""
    file = io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setnchannels(len(channels))
        written.setsampwidth(2)
        written.setframerate(rate_hz)
        written.writeframes(_packed(channels).tobytes())
    return file.getvalue()


def _packed(channels: Sequence[NDArray[np.int16]]) -> NDArray[np.int16]:
    return np.ascontiguousarray(np.stack(channels, axis=1)).reshape(1, -1)
