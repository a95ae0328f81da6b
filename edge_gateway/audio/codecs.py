"""Makes the encoders and decoders that a session's audio formats ask for. Knows nothing of sessions."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, Self

from edge_gateway.audio.opus import Decoder, Encoder
from parley.audio import LISTENING_RATE_HZ, SAMPLE_BYTES, Resampler
from parley.conversation import AudioFormat, Encoding
from parley.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_gateway.audio.libopus import Libopus
    from edge_gateway.input.microphone import PacketDecoder

_BITRATE_BPS: Final = 48_000
_COMPLEXITY: Final = {24_000: 0, 48_000: 5}
"""How hard the encoder tries, by the rate: `opus` says what that costs and gives."""


class Codecs:
    """Codecs over one loaded libopus."""

    def __init__(self, libopus: Libopus) -> None:
        """Use a loaded library."""
        self._libopus = libopus
        # An encoder holds 20 KB: there are as many as replies sound at once, and not one for each session.
        self._idle: dict[int, list[Encoder | PcmEncoder]] = {rate_hz: [] for rate_hz in _COMPLEXITY}

    def decoder_factory(self, audio: AudioFormat | None) -> Callable[[], PacketDecoder]:
        """What makes decoders of a microphone's packets; Opus is decoded straight to the listening rate."""
        if audio is None or audio.encoding is Encoding.OPUS:
            return lambda: Decoder(self._libopus, LISTENING_RATE_HZ)
        return lambda: PcmDecoder(audio.sample_rate_hz)

    def encoder_factory(self, audio: AudioFormat) -> LentEncoder:
        """What makes the encoder of one reply's packets, or lends one that is idle."""
        if audio.encoding is Encoding.OPUS:
            rate_hz, complexity = audio.sample_rate_hz, _COMPLEXITY[audio.sample_rate_hz]
            make = partial(Encoder, self._libopus, rate_hz, bitrate_bps=_BITRATE_BPS, complexity=complexity)
            return LentEncoder(self._idle[rate_hz], make)
        return LentEncoder([], PcmEncoder)


class LentEncoder:
    """The encoder of one reply: one that is idle, or a new one, as soon as there is something to encode."""

    __slots__ = ("_idle", "_lent", "_make")

    def __init__(self, idle: list[Encoder | PcmEncoder], make: Callable[[], Encoder | PcmEncoder]) -> None:
        """Take one of those that are `idle`, or `make` one."""
        self._idle = idle
        self._make = make
        self._lent: Encoder | PcmEncoder | None = None

    def __call__(self) -> Encoder | PcmEncoder:
        """The encoder, which has forgotten what it encoded before."""
        if self._lent is None:
            self._lent = self._idle.pop() if self._idle else self._make()
        return self._lent

    def __enter__(self) -> Self:
        """Have it for as long as the block lasts."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let the next reply have it: nothing more is encoded with it here."""
        lent, self._lent = self._lent, None
        if lent is not None:
            lent.reset()
            self._idle.append(lent)


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

    def reset(self) -> None:
        """Nothing is remembered."""
