"""Keeps what the ASR server has not accounted for, so that another stream can hear it again.

Packets are kept as they came where that is possible (Opus: 3 KB a second). Knows nothing of servers or decisions.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from parley.audio import LISTENING_RATE_HZ, SAMPLE_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KEPT_SECONDS: Final = 90
"""Longer than the longest turn (60 s) with its pre-roll and pauses."""


@dataclass(slots=True)
class HeardPacket:
    """A packet that the ASR server has not accounted for yet."""

    first_sample: int
    """Its place on the session's audio clock, with what fills the gap before it."""
    samples: int
    """Its length, with that."""
    gap_samples: int
    """How much of it fills the gap."""
    kept: bytes
    """What makes its own sound again; empty: silence."""
    captured_unix_us: int
    """Capture time of its own first sample, on the client's clock; 0: not known."""
    received_ns: int
    """When it arrived."""
    decoded_ns: int = 0
    """When its PCM was there; 0: not known."""

    @property
    def end_sample(self) -> int:
        """Sample after its last one."""
        return self.first_sample + self.samples

    @property
    def sound_sample(self) -> int:
        """First sample of its own sound."""
        return self.first_sample + self.gap_samples

    @property
    def sound_samples(self) -> int:
        """Length of its own sound."""
        return self.samples - self.gap_samples


class ReplayBuffer:
    """The packets of one session that may have to be heard again, oldest first."""

    def __init__(self) -> None:
        """Nothing was heard yet."""
        self.next_sample = 0
        """Where the next packet will stand on the session's audio clock."""
        self._packets: list[HeardPacket] = []

    @property
    def first_sample(self) -> int:
        """First sample that is not accounted for."""
        return self._packets[0].first_sample if self._packets else self.next_sample

    def add(self, packet: HeardPacket) -> None:
        """Keep a packet, which begins at `next_sample`."""
        self._packets.append(packet)
        self.next_sample = packet.first_sample + packet.samples

    def skip(self, samples: int) -> None:
        """Let the next packet stand so much later: what lies between is silence, and nobody has to hear it."""
        self.next_sample += samples

    def with_sample(self, sample: int) -> HeardPacket | None:
        """The packet that holds a sample; None when it is not kept any more."""
        for packet in reversed(self._packets):
            if packet.first_sample <= sample:
                return packet if sample < packet.end_sample else None
        return None

    def accounted(self, end_sample: int) -> None:
        """Forget what lies before `end_sample`."""
        del self._packets[: bisect_right(self._packets, end_sample, key=lambda packet: packet.end_sample)]

    def forget_what_is_too_old(self) -> int:
        """Forget what is older than `KEPT_SECONDS`; gives the samples that are lost by that."""
        oldest, before = self.next_sample - KEPT_SECONDS * LISTENING_RATE_HZ, self.first_sample
        if before >= oldest:
            return 0
        self.accounted(oldest)
        return self.first_sample - before

    def replay(self, decode: Callable[[bytes], bytes]) -> Iterator[tuple[int, bytes]]:
        """What is kept now: places on the audio clock, and PCM of just the length that it had.

        It is decoded as it is asked for, since a minute of it takes as long as a second of sixty sessions. A decoder
        that begins in the middle may give a little more or less at first.
        """
        return _replayed(tuple(self._packets), decode)


def _replayed(packets: tuple[HeardPacket, ...], decode: Callable[[bytes], bytes]) -> Iterator[tuple[int, bytes]]:
    for packet in packets:
        size = packet.samples * SAMPLE_BYTES
        pcm = decode(packet.kept) if packet.kept else b""
        yield packet.first_sample, pcm[-size:].rjust(size, b"\0") if size else b""
