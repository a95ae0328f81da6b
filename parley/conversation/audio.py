"""The form in which sound travels between a listener and the gateway.

Enums have the wire's numbers, which a test holds them to. Knows nothing of messages, frames or codecs.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

MAX_OPUS_BYTES: Final = 1275
"""Longest Opus frame (RFC 6716, section 3.2.1)."""

MAX_PCM_BYTES: Final = 11_520
"""Longest PCM payload: 120 ms at 48 kHz."""

MAX_JOINED_PACKETS: Final = 6
"""Packets of 20 ms that may be put together in one: Opus has no longer ones (RFC 6716, section 3.2.5)."""

PACKET_SECONDS: Final = 0.02
"""What one packet of a reply lasts."""


class Encoding(enum.Enum):
    """How audio bytes are to be read."""

    UNSPECIFIED = 0
    PCM_S16LE = 1
    OPUS = 2


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """The form of a run of audio; mono."""

    encoding: Encoding = Encoding.UNSPECIFIED
    """How the bytes are to be read."""
    sample_rate_hz: int = 0
    """Samples per second."""


@dataclass(frozen=True, slots=True)
class AudioPacket:
    """One packet of sound, in either direction."""

    data: bytes
    """One Opus packet, or PCM."""
    sequence: int = 0
    """Its number in its stream; of several that were put together, that of the first."""
    captured_unix_us: int = 0
    """From the microphone: capture time of its first sample on the client's clock; 0: not known."""
    reply: int = 0
    """Of a reply: its number."""
    first_sample: int = 0
    """Of a reply: index of its first sample."""
    left_out: int = 0
    """From the microphone: how many of the packets missing before it were silent, and left out; others were lost."""
    packets: int = 0
    """From the microphone: how many packets of 20 ms were put together in this one; 0: it is one, of any length."""
