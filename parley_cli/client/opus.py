"""Opus for the command line, through PyAV: a microphone's packets from PCM, PCM from a reply's packets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import av
import numpy as np
from av.error import FFmpegError

from parley.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterator

MIC_RATE_HZ: Final = 48_000
PACKET_SAMPLES: Final = 960
_BITRATE_BPS: Final = 24_000
_HIGHEST_HZ: Final = 8_000
"""As of the page, which sends what is listened to."""


class PacketEncoder:
    """Makes Opus packets of 20 ms, as a browser does."""

    def __init__(self) -> None:
        """Prepare for one stream of s16le mono at 48 kHz."""
        codec = av.CodecContext.create("libopus", "w")
        codec.sample_rate = MIC_RATE_HZ
        codec.layout = "mono"
        codec.format = "s16"
        codec.bit_rate = _BITRATE_BPS
        codec.options = {"application": "voip", "frame_duration": "20", "cutoff": str(_HIGHEST_HZ)}
        self._codec = codec
        self._samples = 0

    def encode(self, pcm: bytes) -> bytes:
        """The packet of exactly 960 samples."""
        frame = av.AudioFrame.from_ndarray(np.frombuffer(pcm, dtype="<i2").reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = MIC_RATE_HZ
        frame.pts = self._samples
        self._samples += PACKET_SAMPLES
        return b"".join(bytes(packet) for packet in self._codec.encode(frame))


class PacketDecoder:
    """Makes PCM of a reply's packets."""

    def __init__(self, sample_rate_hz: int) -> None:
        """Prepare for one reply, heard at `sample_rate_hz`."""
        codec = av.CodecContext.create("libopus", "r")
        codec.sample_rate = MIC_RATE_HZ
        codec.layout = "mono"
        self._codec = codec
        self._resampler = av.AudioResampler(format="s16", layout="mono", rate=sample_rate_hz)

    def decode(self, packet: bytes) -> bytes:
        """s16le of one packet.

        Raises:
            InvalidInput: the packet is not Opus.
        """
        try:
            return b"".join(self._samples(packet))
        except FFmpegError as error:
            raise InvalidInput(f"a packet that is not Opus: {error}", field="packet") from error

    def finish(self) -> bytes:
        """The samples that the change of rate has held back; the reply is over."""
        return b"".join(_s16le(part) for part in self._resampler.resample(None))

    def _samples(self, packet: bytes) -> Iterator[bytes]:
        for frame in self._codec.decode(av.Packet(packet)):
            for part in self._resampler.resample(frame):
                yield _s16le(part)


def _s16le(frame: av.AudioFrame) -> bytes:
    pcm: bytes = frame.to_ndarray().astype("<i2").tobytes()
    return pcm
