"""What the listeners of a bench say: tones of any length that begin and end anywhere in a packet, as Opus or PCM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from parley.audio import LISTENING_RATE_HZ
from parley_cli.client.microphone import Captured
from parley_cli.client.opus import MIC_RATE_HZ, PACKET_SAMPLES, PacketEncoder
from parley_cli.client.silence import level_db

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from numpy.typing import NDArray

_TONE_HZ: Final = 200
_LEVEL: Final = 12_000
# A quiet room, as a microphone has it: -70 dB. Zeros would be left out of much that real silence costs.
_ROOM_LEVEL: Final = 10
_SPEECH_SECONDS: Final = (0.8, 1.6)
# Until the codec has nothing more to say of the tone.
_SILENT_PACKETS: Final = 10


@dataclass(frozen=True, slots=True)
class Utterance:
    """What is said in one turn."""

    packets: tuple[Captured, ...]
    """Packets of 20 ms, from the one in which the tone begins to some after its end; the last one is silence."""
    end_sample: int
    """Sample after the tone's last one, at 48 kHz, counted from the beginning of the first packet."""


def make_utterances(count: int, chance: random.Random, *, pcm: bool = False) -> tuple[Utterance, ...]:
    """`count` utterances; `chance` says where they begin, and how long they last.

    With `pcm` their packets are s16le at 16 kHz, and Opus otherwise.
    """
    return tuple(_utterance(chance, _encoder(pcm=pcm)) for _ in range(count))


def silence(*, pcm: bool = False) -> Captured:
    """A packet of a quiet room, to begin with."""
    return _encoder(pcm=pcm)(_room(PACKET_SAMPLES).tobytes())


def _room(samples: int) -> NDArray[np.int16]:
    return np.random.default_rng(0).normal(0, _ROOM_LEVEL, samples).astype("<i2")


def _encoder(*, pcm: bool) -> Callable[[bytes], Captured]:
    """Makes packets of 960 samples, s16le at 48 kHz."""
    encode = _at_listening_rate if pcm else PacketEncoder().encode
    return lambda sound: Captured(encode(sound), level_db(sound))


def _at_listening_rate(pcm: bytes) -> bytes:
    # A tone of 200 Hz has nothing that a filter would have to take away first.
    return np.frombuffer(pcm, dtype="<i2")[:: MIC_RATE_HZ // LISTENING_RATE_HZ].tobytes()


def _utterance(chance: random.Random, captured: Callable[[bytes], Captured]) -> Utterance:
    first = chance.randrange(PACKET_SAMPLES)
    end = first + round(chance.uniform(*_SPEECH_SECONDS) * MIC_RATE_HZ)
    packets = -(-end // PACKET_SAMPLES) + _SILENT_PACKETS
    pcm = _room(packets * PACKET_SAMPLES)
    seconds = np.arange(end - first) / MIC_RATE_HZ
    pcm[first:end] += (np.sin(2 * np.pi * _TONE_HZ * seconds) * _LEVEL).astype("<i2")
    runs = pcm.reshape(packets, PACKET_SAMPLES)
    return Utterance(tuple(captured(run.tobytes()) for run in runs), end)
