"""What a session will cost on this machine, before one has come: by how long its codecs take for a known sound."""

from __future__ import annotations

import math
import time
from array import array
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class Decoder(Protocol):
    """A microphone's."""

    def decode(self, packet: bytes) -> bytes:
        """PCM of a packet."""


class Encoder(Protocol):
    """A reply's."""

    def encode(self, pcm: bytes) -> bytes:
        """A packet of PCM."""


RATE_HZ: Final = 24_000
"""Of the sound that is encoded."""

_PACKETS: Final = 50
_PACKET_SAMPLES: Final = RATE_HZ // _PACKETS
_TRIES: Final = 3
# Where gateway and servers share one core, with engines that take no time and people who talk all the time, a second of
# a session costs four to six times the coding of a second in both directions (1.5 % of a core, and .22 to .36 % just
# before and after). More is counted, since people who come together say and hear the same part of their turns together.
# Nobody stays out for it: as soon as the first have shown what they cost, the next come in.
_SESSION: Final = 8.0


def session_cost(decoder: Decoder, encoder: Encoder, clock: Callable[[], float] = time.thread_time) -> float:
    """Share of a core that a session is thought to take, rather more than it will; `clock` is this thread's."""
    sound = [_packet(number) for number in range(_PACKETS)]

    def seconds() -> float:
        began = clock()
        for pcm in sound:
            decoder.decode(encoder.encode(pcm))
        return clock() - began

    # What is read for the first time, or beside other work, takes longer.
    return _SESSION * min(seconds() for _ in range(_TRIES))


def _packet(number: int) -> bytes:
    samples = range(number * _PACKET_SAMPLES, (number + 1) * _PACKET_SAMPLES)
    return array("h", (round(12_000 * math.sin(at * 2 * math.pi * 200 / RATE_HZ)) for at in samples)).tobytes()
