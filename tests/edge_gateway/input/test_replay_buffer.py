"""What the ASR server has not accounted for is heard again, to the sample."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_gateway.audio.codecs import Codecs
from edge_gateway.audio.libopus import Libopus, find_libopus
from edge_gateway.audio.opus import Encoder
from edge_gateway.input.microphone import Microphone
from edge_gateway.input.replay_buffer import KEPT_SECONDS, HeardPacket, ReplayBuffer
from parley.audio import LISTENING_RATE_HZ
from parley.conversation import AudioFormat, AudioPacket, Encoding

if TYPE_CHECKING:
    from collections.abc import Iterator

LIBOPUS = Libopus(find_libopus())
CODECS = Codecs(LIBOPUS)
SECOND = LISTENING_RATE_HZ
PACKET = SECOND // 50


class Session:
    """A microphone whose sound is kept."""

    def __init__(self, encoding: Encoding, rate_hz: int) -> None:
        self.microphone = Microphone(CODECS.decoder_factory(AudioFormat(encoding, rate_hz)))
        self.buffer = ReplayBuffer()
        self.heard = b""

    def hear(self, packet: AudioPacket) -> None:
        sound = self.microphone.take(packet)
        first, samples = self.buffer.next_sample, len(sound.pcm) // 2
        self.buffer.add(HeardPacket(first, samples, sound.gap_samples, sound.kept, 0, 0))
        self.heard += sound.pcm

    def again(self) -> list[tuple[int, bytes]]:
        return list(self.buffer.replay(self.microphone.again()))


def sweep(rate_hz: int, seconds: float) -> bytes:
    """A rising tone: no two places sound alike."""
    at = np.arange(round(rate_hz * seconds)) / rate_hz
    return (np.sin(2 * np.pi * (200 + 400 * at) * at) * 12_000).astype("<i2").tobytes()


def numbered(data: list[bytes], lost: frozenset[int] = frozenset()) -> Iterator[AudioPacket]:
    return (AudioPacket(each, number) for number, each in enumerate(data) if number not in lost)


def pcm_packets(rate_hz: int, seconds: float = 2.0) -> list[bytes]:
    pcm, size = sweep(rate_hz, seconds), 2 * rate_hz // 50
    return [pcm[start : start + size] for start in range(0, len(pcm), size)]


def opus_packets(seconds: float = 2.0) -> list[bytes]:
    encoder = Encoder(LIBOPUS, SECOND)
    return [encoder.encode(each) for each in pcm_packets(SECOND, seconds)]


def kept_packets(buffer: ReplayBuffer, *lengths: int) -> None:
    """Keep packets of these lengths."""
    for samples in lengths:
        buffer.add(HeardPacket(buffer.next_sample, samples, 0, b"x" * samples * 2, 0, 0))


@pytest.mark.parametrize("lost", [frozenset[int](), frozenset({10, 11, 12, 40})])
@pytest.mark.parametrize("rate_hz", [16_000, 24_000, 48_000])
def test_pcm_of_any_rate_is_heard_again_to_the_sample(rate_hz: int, lost: frozenset[int]) -> None:
    session = Session(Encoding.PCM_S16LE, rate_hz)
    for packet in numbered(pcm_packets(rate_hz), lost):
        session.hear(packet)
    again = session.again()
    assert b"".join(pcm for _, pcm in again) == session.heard
    lengths = [len(pcm) // 2 for _, pcm in again]
    assert [first for first, _ in again] == [0, *accumulate(lengths[:-1])]


@pytest.mark.parametrize("rate_hz", [24_000, 48_000])
def test_the_rest_of_resampled_pcm_is_heard_again_where_it_was(rate_hz: int) -> None:
    session = Session(Encoding.PCM_S16LE, rate_hz)
    for packet in numbered(pcm_packets(rate_hz)):
        session.hear(packet)
    session.buffer.accounted(SECOND)
    first = session.buffer.first_sample
    assert SECOND - SECOND // 25 < first <= SECOND
    assert b"".join(pcm for _, pcm in session.again()) == session.heard[2 * first :]


def test_opus_is_heard_again_from_its_packets() -> None:
    session = Session(Encoding.OPUS, 48_000)
    for packet in numbered(opus_packets()):
        session.hear(packet)
    assert b"".join(pcm for _, pcm in session.again()) == session.heard


@pytest.mark.parametrize("lost", [frozenset({30}), frozenset(range(20, 60)), frozenset({7, 8, 60, 62})])
def test_opus_with_gaps_is_heard_again_in_its_place(lost: frozenset[int]) -> None:
    session = Session(Encoding.OPUS, 48_000)
    for packet in numbered(opus_packets(), lost):
        session.hear(packet)
    again = session.again()
    pcm = b"".join(pcm for _, pcm in again)
    assert len(pcm) == len(session.heard) == 2 * 2 * SECOND
    # The gap is silent now, and every packet that came sounds where it did: a decoder needs some to come into its own.
    first_lost, last_lost = min(lost), max(lost)
    settled = slice(2 * PACKET * (last_lost + 10), None)
    assert np.corrcoef(sound(pcm[settled]), sound(session.heard[settled]))[0, 1] > 0.99
    assert pcm[: 2 * PACKET * first_lost] == session.heard[: 2 * PACKET * first_lost]
    assert not any(pcm[2 * PACKET * first_lost : 2 * PACKET * (first_lost + 1)])


def sound(pcm: bytes) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.frombuffer(pcm, dtype="<i2").astype(np.float64)


def test_a_decoder_that_begins_in_the_middle_is_soon_as_good_as_one_that_did_not() -> None:
    session = Session(Encoding.OPUS, 48_000)
    for packet in numbered(opus_packets()):
        session.hear(packet)
    session.buffer.accounted(SECOND)
    [(first, _), *_] = again = session.again()
    pcm = b"".join(pcm for _, pcm in again)
    assert first == SECOND
    assert len(pcm) == 2 * SECOND
    later = 2 * PACKET * 10
    assert np.corrcoef(sound(pcm[later:]), sound(session.heard[2 * SECOND + later :]))[0, 1] > 0.99


def test_silence_that_filled_an_absence_is_heard_again_as_silence() -> None:
    session = Session(Encoding.PCM_S16LE, SECOND)
    for packet in numbered(pcm_packets(SECOND, 0.1)):
        session.hear(packet)
    session.buffer.add(HeardPacket(session.buffer.next_sample, SECOND, 0, b"", 0, 0))
    first, pcm = session.again()[-1]
    assert (first, pcm) == (SECOND // 10, bytes(2 * SECOND))


def test_what_is_accounted_for_is_forgotten_in_whole_packets() -> None:
    buffer = ReplayBuffer()
    kept_packets(buffer, 320, 320, 320)
    for end, first in ((0, 0), (319, 0), (320, 320), (700, 640), (640, 640), (10**9, 960)):
        buffer.accounted(end)
        assert buffer.first_sample == first
    assert buffer.next_sample == 960
    kept_packets(buffer, 320)
    assert (buffer.first_sample, buffer.next_sample) == (960, 1_280)


def test_the_packet_with_a_sample_is_found_while_it_is_kept() -> None:
    buffer = ReplayBuffer()
    # A resampler may give nothing for a packet.
    kept_packets(buffer, 320, 0, 320, 0)
    buffer.accounted(320)

    def place(sample: int) -> int | None:
        packet = buffer.with_sample(sample)
        return packet.first_sample if packet is not None else None

    assert [place(sample) for sample in (-1, 0, 319, 320, 639, 640, 10**9)] == [None, None, None, 320, 320, None, None]


def test_more_than_ninety_seconds_are_not_kept_and_counted_as_lost() -> None:
    buffer, lost = ReplayBuffer(), 0
    for _ in range(50 * (KEPT_SECONDS + 5)):
        kept_packets(buffer, PACKET)
        lost += buffer.forget_what_is_too_old()
    assert lost == 5 * SECOND
    assert buffer.first_sample == 5 * SECOND
    assert buffer.next_sample == (KEPT_SECONDS + 5) * SECOND
    assert sum(len(pcm) for _, pcm in buffer.replay(lambda kept: kept)) == 2 * KEPT_SECONDS * SECOND


@given(
    lengths=st.lists(st.integers(0, 2_000), max_size=30),
    ends=st.lists(st.integers(0, 40_000), max_size=5),
    gives=st.integers(0, 3_000),
)
def test_whatever_a_decoder_gives_everything_keeps_its_place_and_length(
    lengths: list[int], ends: list[int], gives: int
) -> None:
    buffer = ReplayBuffer()
    kept_packets(buffer, *lengths)
    for end in ends:
        buffer.accounted(end)
    place = buffer.first_sample
    for first, pcm in buffer.replay(lambda _: bytes(2 * gives)):
        assert first == place
        place += len(pcm) // 2
    assert place == buffer.next_sample == sum(lengths)
    assert buffer.first_sample <= max([0, *ends])


def test_silence_that_was_left_out_is_heard_again_as_a_place_without_sound() -> None:
    buffer = ReplayBuffer()
    buffer.add(HeardPacket(0, 2, 0, b"ab", 0, 0))
    buffer.skip(1_000)
    buffer.add(HeardPacket(buffer.next_sample, 1, 0, b"c", 0, 0))
    assert list(buffer.replay(lambda kept: kept.ljust(4, b"\1"))) == [(0, b"ab\1\1"), (1_002, b"\1\1")]
    assert [buffer.with_sample(sample) is None for sample in (1, 2, 1_001, 1_002)] == [False, True, True, False]
    assert buffer.next_sample == 1_003
