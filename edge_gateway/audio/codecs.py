"""Makes the encoders and decoders that a session's audio formats ask for. Knows nothing of sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from edge_gateway.audio.opus import Decoder, Encoder
from parley.audio import LISTENING_RATE_HZ, SAMPLE_BYTES, Resampler
from parley.conversation import AudioFormat, Encoding
from parley.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_gateway.audio.libopus import Libopus
    from edge_gateway.input.microphone import PacketDecoder
    from edge_gateway.reply.playout import PacketEncoder

_BITRATE_BPS: Final = 48_000
_COMPLEXITY: Final = {24_000: 0, 48_000: 5}
"""How hard the encoder tries, by the rate: `opus` says what that costs and gives."""


class Codecs:
    """Codecs over one loaded libopus."""

    def __init__(self, libopus: Libopus) -> None:
        """Use a loaded library."""
        self._libopus = libopus

    def decoder_factory(self, audio: AudioFormat | None) -> Callable[[], PacketDecoder]:
        """What makes decoders of a microphone's packets; Opus is decoded straight to the listening rate."""
        if audio is None or audio.encoding is Encoding.OPUS:
            return lambda: Decoder(self._libopus, LISTENING_RATE_HZ)
        return lambda: PcmDecoder(audio.sample_rate_hz)

    def encoder_factory(self, audio: AudioFormat) -> Callable[[], PacketEncoder]:
        """What makes encoders of a reply's packets."""
        if audio.encoding is Encoding.OPUS:
            rate_hz, complexity = audio.sample_rate_hz, _COMPLEXITY[audio.sample_rate_hz]
            return lambda: Encoder(self._libopus, rate_hz, bitrate_bps=_BITRATE_BPS, complexity=complexity)
        return PcmEncoder


class PcmDecoder:
    """Takes PCM packets as they are, brought to the listening rate."""

    keeps_packets = False

    def __init__(self, sample_rate_hz: int) -> None:
        """Take PCM at `sample_rate_hz`."""
        self._sample_rate_hz = sample_rate_hz
        self._resampler = Resampler(sample_rate_hz, LISTENING_RATE_HZ)
        self._bytes = 0

    @property
    def packet_samples(self) -> int:
        """How long the last packet lasts at the listening rate, whatever the resampler has given of it."""
        return self._bytes // SAMPLE_BYTES * LISTENING_RATE_HZ // self._sample_rate_hz

    def decode(self, packet: bytes) -> bytes:
        """PCM at the listening rate; a resampler holds a few milliseconds back at first.

        Raises:
            InvalidInput: an odd number of bytes, or none.
        """
        if not packet or len(packet) % SAMPLE_BYTES:
            raise InvalidInput(
                f"a PCM packet of {len(packet)} bytes: 16-bit samples need an even number", field="packet"
            )
        self._bytes = len(packet)
        return self._resampler.push(packet)

    def conceal(self, samples: int) -> bytes:
        """Silence in place of what was lost."""
        return bytes(samples * SAMPLE_BYTES)


class PcmEncoder:
    """Gives PCM as it is."""

    @property
    def lookahead_samples(self) -> int:
        """Nothing is delayed."""
        return 0

    def encode(self, pcm: bytes) -> bytes:
        """The PCM."""
        return pcm
