"""What a session is thought to cost follows how fast the machine codes sound."""

from __future__ import annotations

import time

import pytest

from edge_gateway.audio.codecs import Codecs
from edge_gateway.audio.libopus import Libopus, find_libopus
from edge_gateway.capacity.calibration import RATE_HZ, session_cost
from parley.conversation import AudioFormat, Encoding


class Codec:
    """Takes a known time on a machine of which the test owns the clock."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.now = 0.0

    def encode(self, pcm: bytes) -> bytes:
        assert len(pcm) == RATE_HZ // 50 * 2
        self.now += self._seconds
        return b"packet"

    def decode(self, packet: bytes) -> bytes:
        assert packet == b"packet"
        self.now += self._seconds
        return b""

    def clock(self) -> float:
        return self.now


def cost(seconds: float) -> float:
    codec = Codec(seconds)
    return session_cost(codec, codec, codec.clock)


def test_a_machine_of_half_the_speed_bears_half_as_many() -> None:
    assert cost(60e-6) == pytest.approx(2 * cost(30e-6))


def test_what_else_the_machine_did_meanwhile_does_not_count() -> None:
    codec, reads = Codec(30e-6), iter(range(1_000))

    def clock() -> float:
        # The first try of three takes a second longer.
        codec.now += 1.0 if next(reads) == 1 else 0.0
        return codec.now

    assert session_cost(codec, codec, clock) == pytest.approx(cost(30e-6))


def test_with_real_codecs_it_is_a_few_hundredths_of_a_core() -> None:
    codecs = Codecs(Libopus(find_libopus()))
    encoder = codecs.encoder_factory(AudioFormat(Encoding.OPUS, RATE_HZ))()
    began = time.thread_time()
    assert 0.001 < session_cost(codecs.decoder_factory(None)(), encoder) < 1.0
    assert time.thread_time() - began < 2.0
