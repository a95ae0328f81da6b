"""Makes sound of a client's packets: decodes them, and fills the gaps that lost ones leave; silence is left out.

Knows nothing of servers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from parley.audio import LISTENING_RATE_HZ, SAMPLE_BYTES
from parley.conversation import MAX_JOINED_PACKETS
from parley.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable

    from parley.conversation import AudioPacket

# Codecs guess no more than this at once (RFC 6716, section 4.4), and guess nothing but silence after that.
_MOST_GUESSED_SAMPLES: Final = round(0.12 * LISTENING_RATE_HZ)
# A longer gap in the sequence is a client that counts anew, or paused, not packets that were lost.
_MOST_FILLED_SAMPLES: Final = LISTENING_RATE_HZ


class PacketDecoder(Protocol):
    """Makes PCM at the listening rate of packets."""

    keeps_packets: bool
    """A packet can be decoded again by another decoder; False: it makes sense only after those before it."""

    @property
    def packet_samples(self) -> int:
        """How long the last packet lasts; a decoder may have given less of it yet, or more."""
        ...

    def decode(self, packet: bytes) -> bytes:
        """PCM of one packet; InvalidInput for what is none."""
        ...

    def conceal(self, samples: int) -> bytes:
        """Plausible PCM in place of at most 120 ms of lost packets."""
        ...


@dataclass(slots=True)
class Sound:
    """What one packet brought."""

    left_out_samples: int
    """Silence before all of it that nobody sent: its place in time, and no sound."""
    pcm: bytes
    """s16le mono at the listening rate, what fills the gap before the packet first."""
    gap_samples: int
    """Samples of it that fill the gap."""
    kept: bytes
    """What makes the packet's own sound again: the packet, or its PCM."""


class Microphone:
    """The sound of one session's microphone."""

    def __init__(self, make_decoder: Callable[[], PacketDecoder]) -> None:
        """Make a decoder when the first packet comes."""
        self._make_decoder = make_decoder
        self._decoder: PacketDecoder | None = None
        self._packet_samples = 0
        """How long one packet is: of those that were put together in the last one, each."""
        self._next_sequence = -1
        self._anew_sequence = -1
        """What follows a packet that came out of order: if it comes next, the client counts anew."""

    def take(self, packet: AudioPacket) -> Sound:
        """Decode a packet.

        Raises:
            InvalidInput: it cannot be decoded; the session goes on without it.
        """
        if packet.packets > MAX_JOINED_PACKETS:
            raise InvalidInput(
                f"{packet.packets} packets in one: at most {MAX_JOINED_PACKETS} are taken", field="packets"
            )
        decoder = self._decoder
        if decoder is None:
            decoder = self._decoder = self._make_decoder()
        follows = packet.sequence == self._next_sequence
        left_out, gap = (0, b"") if follows else self._missing(packet, decoder)
        pcm = decoder.decode(packet.data)
        packets = max(1, packet.packets)
        self._packet_samples = decoder.packet_samples // packets
        self._count(packet.sequence, packets)
        kept = packet.data if decoder.keeps_packets else pcm
        return Sound(left_out, gap + pcm, len(gap) // SAMPLE_BYTES, kept)

    def again(self) -> Callable[[bytes], bytes]:
        """What makes sound of what was kept, from one packet to the next."""
        decoder = self._make_decoder()
        return decoder.decode if decoder.keeps_packets else lambda pcm: pcm

    def _missing(self, packet: AudioPacket, decoder: PacketDecoder) -> tuple[int, bytes]:
        """Samples that the client left out before this packet, and what fills the place of those that were lost."""
        missing = self._missing_before(packet.sequence)
        if missing * self._packet_samples > _MOST_FILLED_SAMPLES:
            return 0, b""
        left_out = min(packet.left_out, missing)
        return left_out * self._packet_samples, self._fill(decoder, (missing - left_out) * self._packet_samples)

    def _missing_before(self, sequence: int) -> int:
        """Packets missing before this one; none where it comes late, or the client counts anew."""
        if self._next_sequence < 0 or sequence == self._anew_sequence:
            return 0
        return max(0, sequence - self._next_sequence)

    def _count(self, sequence: int, packets: int) -> None:
        if sequence >= self._next_sequence or sequence == self._anew_sequence:
            self._next_sequence, self._anew_sequence = sequence + packets, -1
        else:
            self._anew_sequence = sequence + packets

    @staticmethod
    def _fill(decoder: PacketDecoder, samples: int) -> bytes:
        guessed = decoder.conceal(min(samples, _MOST_GUESSED_SAMPLES)) if samples else b""
        return guessed + bytes(samples * SAMPLE_BYTES - len(guessed))
