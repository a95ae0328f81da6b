"""What the listeners of a bench say: tones of any length that begin and end anywhere within a packet, as Opus."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from parley_cli.client.opus import MIC_RATE_HZ, PACKET_SAMPLES, PacketEncoder

if TYPE_CHECKING:
    import random

_TONE_HZ: Final = 200
_LEVEL: Final = 12_000
_SPEECH_SECONDS: Final = (0.8, 1.6)
# Until the codec has nothing more to say of the tone.
_SILENT_PACKETS: Final = 10


@dataclass(frozen=True, slots=True)
class Utterance:
    """What is said in one turn."""

    packets: tuple[bytes, ...]
    """Opus packets of 20 ms, from the one in which the tone begins to some after its end; the last one is silence."""
    end_sample: int
    """Sample after the tone's last one, at 48 kHz, counted from the beginning of the first packet."""


def make_utterances(count: int, chance: random.Random) -> tuple[Utterance, ...]:
    """`count` utterances; `chance` says where they begin, and how long they last."""
    return tuple(_utterance(chance) for _ in range(count))


def silence() -> bytes:
    """A packet of silence, to begin with."""
    return PacketEncoder().encode(bytes(2 * PACKET_SAMPLES))


def _utterance(chance: random.Random) -> Utterance:
    first = chance.randrange(PACKET_SAMPLES)
    end = first + round(chance.uniform(*_SPEECH_SECONDS) * MIC_RATE_HZ)
    packets = -(-end // PACKET_SAMPLES) + _SILENT_PACKETS
    pcm = np.zeros(packets * PACKET_SAMPLES, dtype="<i2")
    seconds = np.arange(end - first) / MIC_RATE_HZ
    pcm[first:end] = np.sin(2 * np.pi * _TONE_HZ * seconds) * _LEVEL
    encoder = PacketEncoder()
    runs = pcm.reshape(packets, PACKET_SAMPLES)
    return Utterance(tuple(encoder.encode(run.tobytes()) for run in runs), end)
