"""What a listener's microphone gives: packets of 20 ms, asked for one by one. Knows nothing of wires or clocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from parley.audio import SAMPLE_BYTES
from parley_cli.client.opus import PACKET_SAMPLES, PacketEncoder

if TYPE_CHECKING:
    from collections.abc import Callable

    Microphone = Callable[[int], bytes]
    """Gives packet number n, in the form that the session asked for; called when its time has come."""

PACKET_BYTES: Final = PACKET_SAMPLES * SAMPLE_BYTES
"""Length of a packet as s16le at 48 kHz."""


def encoded(sound: Callable[[int], bytes]) -> Microphone:
    """A microphone for one session, whose packet n is what `sound` gives for it: 960 samples, s16le at 48 kHz."""
    encoder = PacketEncoder()
    return lambda number: encoder.encode(sound(number))


def packet_of(pcm: bytes, number: int) -> bytes:
    """Packet `number` of a recording, s16le at 48 kHz; silence after its end."""
    return pcm[number * PACKET_BYTES : (number + 1) * PACKET_BYTES].ljust(PACKET_BYTES, b"\0")
