"""Sound of a client's packets: every gap is as long as what was lost, and a client may count anew."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_gateway.audio.codecs import Codecs
from edge_gateway.audio.libopus import Libopus, find_libopus
from edge_gateway.audio.opus import Encoder
from edge_gateway.input.microphone import Microphone, Sound
from parley.audio import LISTENING_RATE_HZ, level_db
from parley.conversation import AudioFormat, AudioPacket, Encoding
from parley.errors import InvalidInput
from parley_cli.client import join_opus

if TYPE_CHECKING:
    from collections.abc import Iterable

LIBOPUS = Libopus(find_libopus())
CODECS = Codecs(LIBOPUS)
SECOND = LISTENING_RATE_HZ
PACKET = SECOND // 50
TONE = (np.sin(np.arange(SECOND) * 2 * np.pi * 300 / SECOND) * 12_000).astype("<i2").tobytes()
PCM_RATES = (16_000, 24_000, 48_000)
# A resampler holds back what it needs to know the following samples for.
HELD_BACK = SECOND // 25


def microphone(encoding: Encoding = Encoding.PCM_S16LE, rate_hz: int = SECOND) -> Microphone:
    return Microphone(CODECS.decoder_factory(AudioFormat(encoding, rate_hz)))


def opus_packets(count: int, frames: int = 1) -> list[bytes]:
    """Packets of a tone, 20 ms a frame; several frames are one packet (RFC 6716, section 3.2.5)."""
    encoder = Encoder(LIBOPUS, SECOND)
    size = encoder.bytes_per_packet
    single = [
        encoder.encode(TONE[place * size % len(TONE) :][:size].ljust(size, b"\0")) for place in range(count * frames)
    ]
    return [join_opus(single[place * frames :][:frames]) for place in range(count)]


def samples(sound: Sound) -> int:
    return len(sound.pcm) // 2


def taken(mic: Microphone, packets: Iterable[tuple[int, bytes]]) -> list[Sound]:
    """What numbered packets bring."""
    return [mic.take(AudioPacket(data, sequence)) for sequence, data in packets]


@pytest.mark.parametrize("lost", range(1, 51))
@pytest.mark.parametrize("encoding", [Encoding.OPUS, Encoding.PCM_S16LE])
def test_up_to_a_second_of_lost_packets_is_filled_with_just_their_length(encoding: Encoding, lost: int) -> None:
    data = opus_packets(2) if encoding is Encoding.OPUS else [TONE[: 2 * PACKET]] * 2
    first, second = taken(microphone(encoding), [(10, data[0]), (11 + lost, data[1])])
    assert (samples(first), first.gap_samples) == (PACKET, 0)
    assert (samples(second), second.gap_samples) == (PACKET * (lost + 1), PACKET * lost)


@pytest.mark.parametrize("lost", range(1, 17))
def test_lost_packets_of_60_ms_are_filled_with_just_their_length(lost: int) -> None:
    data = opus_packets(2, frames=3)
    first, second = taken(microphone(Encoding.OPUS), [(0, data[0]), (1 + lost, data[1])])
    assert samples(first) == 3 * PACKET
    assert (samples(second), second.gap_samples) == (3 * PACKET * (lost + 1), 3 * PACKET * lost)


@pytest.mark.parametrize(("frames", "lost"), [(1, 51), (1, 1_000), (3, 17), (1, 2**31)])
def test_more_than_a_second_is_a_client_that_paused_and_not_filled(frames: int, lost: int) -> None:
    data = opus_packets(3, frames)
    sounds = taken(microphone(Encoding.OPUS), [(0, data[0]), (1 + lost, data[1]), (3 + lost, data[2])])
    assert [sound.gap_samples for sound in sounds] == [0, 0, frames * PACKET]


def test_a_gap_sounds_like_what_was_before_it_for_120_ms_and_is_silent_after_that() -> None:
    data = opus_packets(31)
    *_, after = taken(microphone(Encoding.OPUS), [*enumerate(data[:30]), (50, data[30])])
    assert after.gap_samples == 20 * PACKET
    assert level_db(after.pcm[: 2 * PACKET]) > -40
    guessed = 2 * round(0.12 * SECOND)
    assert not any(after.pcm[guessed : 2 * after.gap_samples])
    assert any(after.pcm[2 * after.gap_samples :])


@pytest.mark.parametrize("packet_ms", [10, 20, 60])
@pytest.mark.parametrize("rate_hz", PCM_RATES)
def test_pcm_of_any_rate_is_as_long_as_it_was_spoken_with_its_gaps(rate_hz: int, packet_ms: int) -> None:
    size = 2 * rate_hz * packet_ms // 1_000
    numbers = [number for number in range(100) if number % 10 not in {3, 4, 5}]
    sounds = taken(microphone(rate_hz=rate_hz), [(number, bytes(size)) for number in numbers])
    lost = 100 - len(numbers)
    assert sum(sound.gap_samples for sound in sounds) == lost * packet_ms * SECOND // 1_000
    whole = 100 * packet_ms * SECOND // 1_000
    assert whole - HELD_BACK <= sum(map(samples, sounds)) <= whole
    if rate_hz == SECOND:
        assert sum(map(samples, sounds)) == whole


@pytest.mark.parametrize("rate_hz", PCM_RATES)
def test_pcm_sounds_as_it_was_spoken(rate_hz: int) -> None:
    tone = (np.sin(np.arange(rate_hz) * 2 * np.pi * 300 / rate_hz) * 12_000).astype("<i2").tobytes()
    size = 2 * rate_hz // 50
    sounds = taken(microphone(rate_hz=rate_hz), [(place, tone[place * size :][:size]) for place in range(50)])
    heard = np.frombuffer(b"".join(sound.pcm for sound in sounds), dtype="<i2")[200:15_000].astype(float)
    spectrum = np.abs(np.fft.rfft(heard * np.hanning(len(heard))))
    assert abs(np.argmax(spectrum) * SECOND / len(heard) - 300) < 2


def test_a_client_that_counts_anew_loses_nothing_and_has_no_gap() -> None:
    packet = TONE[: 2 * PACKET]
    sounds = taken(microphone(), [(number, packet) for number in (7, 8, 9, 0, 1, 2, 4)])
    assert [sound.gap_samples for sound in sounds] == [0, 0, 0, 0, 0, 0, PACKET]
    assert [samples(sound) for sound in sounds] == [PACKET] * 6 + [2 * PACKET]


@pytest.mark.parametrize("late", [5, 2, 7])
def test_a_packet_that_comes_late_or_twice_makes_no_gap_behind_it(late: int) -> None:
    packet = TONE[: 2 * PACKET]
    sounds = taken(microphone(), [(number, packet) for number in (4, 6, 7, late, 8, 9)])
    assert [sound.gap_samples for sound in sounds] == [0, PACKET, 0, 0, 0, 0]


def test_numbers_may_begin_anywhere_and_start_again_after_the_last() -> None:
    packet = TONE[: 2 * PACKET]
    sounds = taken(microphone(), [(number, packet) for number in (2**32 - 2, 2**32 - 1, 0, 1)])
    assert [sound.gap_samples for sound in sounds] == [0, 0, 0, 0]


@pytest.mark.parametrize("encoding", [Encoding.OPUS, Encoding.PCM_S16LE])
def test_a_packet_that_cannot_be_read_counts_as_lost(encoding: Encoding) -> None:
    data = opus_packets(2) if encoding is Encoding.OPUS else [TONE[: 2 * PACKET]] * 2
    mic = microphone(encoding)
    mic.take(AudioPacket(data[0], 0))
    with pytest.raises(InvalidInput):
        mic.take(AudioPacket(b"", 1))
    after = mic.take(AudioPacket(data[1], 2))
    assert (samples(after), after.gap_samples) == (2 * PACKET, PACKET)


@given(lost=st.lists(st.integers(0, 50), min_size=1, max_size=30), frames=st.sampled_from([1, 2, 3, 6]))
@settings(deadline=None, max_examples=30)
def test_whatever_is_lost_the_sound_is_as_long_as_the_time(lost: list[int], frames: int) -> None:
    data = opus_packets(len(lost) + 1, frames)
    numbers = [0]
    for gap in lost:
        numbers.append(numbers[-1] + 1 + min(gap, 50 // frames))
    sounds = taken(microphone(Encoding.OPUS), zip(numbers, data, strict=True))
    assert sum(map(samples, sounds)) == (numbers[-1] + 1) * frames * PACKET
    gaps = [(after - before - 1) * frames * PACKET for before, after in pairwise(numbers)]
    assert [sound.gap_samples for sound in sounds] == [0, *gaps]


@pytest.mark.parametrize("encoding", [Encoding.OPUS, Encoding.PCM_S16LE])
@pytest.mark.parametrize("left_out", [1, 44, 50])
def test_silence_that_was_left_out_takes_its_time_and_nothing_fills_it(encoding: Encoding, left_out: int) -> None:
    data = opus_packets(3) if encoding is Encoding.OPUS else [TONE[: 2 * PACKET]] * 3
    mic = microphone(encoding)
    mic.take(AudioPacket(data[0], 7))
    after = mic.take(AudioPacket(data[1], 8 + left_out, left_out=left_out))
    assert (after.left_out_samples, after.gap_samples, samples(after)) == (left_out * PACKET, 0, PACKET)
    following = mic.take(AudioPacket(data[2], 9 + left_out))
    assert (following.left_out_samples, following.gap_samples, samples(following)) == (0, 0, PACKET)


def test_what_is_missing_beyond_what_was_left_out_was_lost() -> None:
    packet = TONE[: 2 * PACKET]
    mic = microphone()
    mic.take(AudioPacket(packet, 0))
    after = mic.take(AudioPacket(packet, 31, left_out=20))
    assert (after.left_out_samples, after.gap_samples) == (20 * PACKET, 10 * PACKET)


@pytest.mark.parametrize(("sequence", "left_out"), [(1, 44), (52, 51), (2**31, 65_535), (0, 3)])
def test_a_client_cannot_leave_out_what_is_not_missing_nor_more_than_a_second(sequence: int, left_out: int) -> None:
    packet = TONE[: 2 * PACKET]
    mic = microphone()
    mic.take(AudioPacket(packet, 0))
    after = mic.take(AudioPacket(packet, sequence, left_out=left_out))
    assert (after.left_out_samples, after.gap_samples, samples(after)) == (0, 0, PACKET)


@pytest.mark.parametrize("encoding", [Encoding.OPUS, Encoding.PCM_S16LE])
@pytest.mark.parametrize("packets", [2, 4, 6])
def test_packets_that_were_put_together_count_each_and_sound_as_they_did(encoding: Encoding, packets: int) -> None:
    place = 2 * PACKET * packets
    data = opus_packets(3, packets) if encoding is Encoding.OPUS else [TONE[:place], TONE[place:][:place], TONE[:place]]
    mic = microphone(encoding)
    mic.take(AudioPacket(data[0], 5, packets=packets))
    after = mic.take(AudioPacket(data[1], 5 + packets, packets=packets))
    assert (samples(after), after.gap_samples) == (packets * PACKET, 0)
    # A packet that was lost, and one that was left out, are each as long as one of those.
    lost = mic.take(AudioPacket(data[2], 5 + 2 * packets + 2, left_out=1, packets=packets))
    assert (lost.left_out_samples, lost.gap_samples, samples(lost)) == (PACKET, PACKET, (packets + 1) * PACKET)
    alone = mic.take(
        AudioPacket(opus_packets(1)[0] if encoding is Encoding.OPUS else TONE[: 2 * PACKET], 7 + 3 * packets)
    )
    assert (samples(alone), alone.gap_samples) == (PACKET, 0)


def test_a_client_may_count_anew_with_packets_that_were_put_together() -> None:
    four = TONE[: 8 * PACKET]
    mic = microphone()
    sounds = [mic.take(AudioPacket(four, sequence, packets=4)) for sequence in (100, 0, 4, 10)]
    assert [sound.gap_samples for sound in sounds] == [0, 0, 0, 2 * PACKET]


def test_more_packets_in_one_than_opus_has_room_for_are_refused_and_the_next_is_heard() -> None:
    mic = microphone()
    with pytest.raises(InvalidInput, match="7 packets in one: at most 6"):
        mic.take(AudioPacket(TONE[: 2 * PACKET], 0, packets=7))
    assert samples(mic.take(AudioPacket(TONE[: 2 * PACKET], 7))) == PACKET


def test_a_voice_sounds_the_same_after_opus_packets_that_the_decoder_never_saw() -> None:
    # The encoder hears the silence that is left out, the decoder does not: 300 ms before the voice set it right again.
    chance = np.random.default_rng(1)
    room = chance.normal(size=2 * SECOND) * 30
    spoken = np.concatenate([room, np.frombuffer(TONE, dtype="<i2") + room[:SECOND]]).astype("<i2").tobytes()
    encoder = Encoder(LIBOPUS, SECOND)
    size = encoder.bytes_per_packet
    data = [encoder.encode(spoken[place : place + size]) for place in range(0, len(spoken), size)]
    whole = b"".join(sound.pcm for sound in taken(microphone(Encoding.OPUS), enumerate(data)))
    mic = microphone(Encoding.OPUS)
    kept = [AudioPacket(each, place) for place, each in enumerate(data) if place < 40 or place >= 85]
    kept[40] = AudioPacket(data[85], 85, left_out=45)
    heard = b"".join(mic.take(packet).pcm for packet in kept)
    voice = np.frombuffer(whole[-2 * SECOND :], dtype="<i2").astype(float)
    error = voice - np.frombuffer(heard[-2 * SECOND :], dtype="<i2")
    assert 10 * np.log10(np.mean(voice**2) / (np.mean(error**2) + 1e-9)) > 40
    silence = np.frombuffer(heard[2 * 40 * PACKET : 2 * 55 * PACKET], dtype="<i2").astype(float)
    assert 20 * np.log10(np.sqrt(np.mean(silence**2)) / 30) < 3, "nothing is heard of the gap"
