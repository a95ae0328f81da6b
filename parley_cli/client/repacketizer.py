"""Puts packets of a microphone together into longer ones, by the rule of the page.

It is `edge_gateway/web/model/repacketizer.js` in Python: whoever measures Parley with this client has to cost what
people with the page cost. Knows nothing of sockets or clocks. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from parley.conversation import MAX_JOINED_PACKETS, MAX_OPUS_BYTES, MAX_PCM_BYTES, Encoding

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from parley.conversation import PacketTime

_PACKET_MS: Final = 20

# An Opus packet (RFC 6716, section 3): the last two bits of its first byte say how many frames it has. One in those
# that are joined, any number in what becomes of them, each as long as it says.
_FRAMES: Final = 0b11
_VARIABLE: Final = 0x80
_SHORT_BYTES: Final = 252


class Outgoing(NamedTuple):
    """A packet that is to be sent."""

    number: int
    """Its number among all that were captured."""
    data: bytes
    """Opus or PCM."""
    left_out: int = 0
    """How many silent ones were left out before it."""
    silent: bool = False
    """There is nothing in it but the noise of the room."""
    packets: int = 1
    """How many were put together in it."""


class Repacketizer:
    """Packets of one session that wait for others. What comes out of it is to be sent in that order."""

    def __init__(self, encoding: Encoding) -> None:
        """Let each packet go alone until the gateway says otherwise."""
        self._is_opus = encoding is Encoding.OPUS
        self._sound = self._silence = 1
        self._waiting: list[Outgoing] = []

    def allow(self, time: PacketTime) -> Sequence[Outgoing]:
        """Packets may last so long from now on; gives what waits and is as long."""
        self._sound, self._silence = _packets(time.sound_ms), _packets(time.silence_ms)
        return self._released() if self._is_due() else ()

    def take(self, packets: Iterable[Outgoing]) -> list[Outgoing]:
        """Take the next packets; gives what is to be sent now."""
        out: list[Outgoing] = []
        for packet in packets:
            if self._waiting and not self._joins(packet):
                out += self._released()
            self._waiting.append(packet)
            if self._is_due():
                out += self._released()
        return out

    def _is_due(self) -> bool:
        if not self._waiting:
            return False
        # What has sound in it takes along the silence before it.
        limit = self._silence if all(packet.silent for packet in self._waiting) else self._sound
        return len(self._waiting) >= limit or not self._can_be_joined(self._waiting[0])

    def _can_be_joined(self, packet: Outgoing) -> bool:
        return not self._is_opus or (len(packet.data) > 0 and not packet.data[0] & _FRAMES)

    def _joins(self, packet: Outgoing) -> bool:
        if packet.left_out or packet.number != self._waiting[-1].number + 1:
            return False
        together = [*(each.data for each in self._waiting), packet.data]
        if not self._is_opus:
            return sum(map(len, together)) <= MAX_PCM_BYTES
        # What waits can be joined, so this can too when it begins alike.
        return packet.data[:1] == together[0][:1] and len(join_opus(together)) <= MAX_OPUS_BYTES

    def _released(self) -> tuple[Outgoing, ...]:
        waiting, self._waiting = self._waiting, []
        if len(waiting) <= 1:
            return tuple(waiting)
        first, data = waiting[0], [packet.data for packet in waiting]
        joined = join_opus(data) if self._is_opus else b"".join(data)
        return (Outgoing(first.number, joined, first.left_out, all(each.silent for each in waiting), len(waiting)),)


def join_opus(packets: Sequence[bytes]) -> bytes:
    """One Opus packet with the frames of several, which begin with the same byte and have one frame each."""
    lengths = b"".join(_length(len(packet) - 1) for packet in packets[:-1])
    head = bytes([packets[0][0] | _FRAMES, _VARIABLE | len(packets)])
    return head + lengths + b"".join(packet[1:] for packet in packets)


def _length(size: int) -> bytes:
    """RFC 6716, section 3.2.1."""
    if size < _SHORT_BYTES:
        return bytes([size])
    first = _SHORT_BYTES + size % 4
    return bytes([first, (size - first) // 4])


def _packets(milliseconds: int) -> int:
    return min(max(1, milliseconds // _PACKET_MS), MAX_JOINED_PACKETS)
