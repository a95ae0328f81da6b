"""Sound on its way to the ASR server: silence that was left out is a place in it, wherever it is looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edge_gateway.audio.codecs import Codecs
from edge_gateway.audio.libopus import Libopus, find_libopus
from edge_gateway.input.uplink import Uplink
from edge_gateway.turn_taking.echo import MicrophoneLevels
from parley import asr
from parley.audio import LISTENING_RATE_HZ
from parley.conversation import AudioFormat, AudioPacket, Encoding, PacketTime

if TYPE_CHECKING:
    from collections.abc import Iterable

PACKET = LISTENING_RATE_HZ // 50
FORM = AudioFormat(Encoding.PCM_S16LE, LISTENING_RATE_HZ)
NOISE = (np.random.default_rng(0).normal(size=PACKET) * 30).astype("<i2").tobytes()
# Nobody can hear the one (-80 dB); the other (-69 dB) may be a voice, and with as much of the one around it is softer.
QUIET = (np.random.default_rng(1).normal(size=PACKET) * 3).astype("<i2").tobytes()
SOFT_VOICE = (np.random.default_rng(1).normal(size=PACKET) * 13).astype("<i2").tobytes()
# 100 packets, of which 45 and 31 are left out; messages hold four.
KEPT = [*range(3), *range(48, 51), *range(82, 100)]


def open_uplink(levels: MicrophoneLevels) -> Uplink:
    return Uplink(Codecs(Libopus(find_libopus())).decoder_factory(FORM), levels)


def packets() -> Iterable[AudioPacket]:
    before = -1
    for place in KEPT:
        yield AudioPacket(NOISE, place, place * 20_000, left_out=place - before - 1)
        before = place


def places(sent: list[asr.Audio]) -> list[int]:
    """Every packet that was sent, by its place in time."""
    starts = [(audio.first_sample + at // 2) / PACKET for audio in sent for at in range(0, len(audio.pcm), 2 * PACKET)]
    assert all(start.is_integer() for start in starts)
    return [round(start) for start in starts]


async def test_every_packet_is_sent_in_its_place_and_again_to_another_server() -> None:
    uplink = open_uplink(MicrophoneLevels())
    first: list[asr.Audio] = []
    again: list[asr.Audio] = []
    uplink.connect(first.append, first.append)
    for packet in packets():
        uplink.hear(packet, 0)
    uplink.flush()
    again += uplink.connect(again.append, again.append)
    assert places(first) == places(again) == KEPT
    assert uplink.buffer.next_sample == 100 * PACKET
    for place in KEPT:
        kept = uplink.buffer.with_sample(place * PACKET)
        assert kept is not None
        assert kept.captured_unix_us == place * 20_000


async def test_the_echo_of_a_reply_is_looked_for_at_the_pace_of_time() -> None:
    levels = MicrophoneLevels()
    uplink = open_uplink(levels)
    uplink.assistant = asr.Assistant.SPEAKING
    for packet in packets():
        uplink.hear(packet, 0)
    assert levels.packets == 100
    # A client may say what it likes.
    uplink.hear(AudioPacket(NOISE, 101, left_out=2**32 - 1), 0)
    assert levels.packets == 102


async def test_the_echo_of_a_reply_is_looked_for_in_each_of_the_packets_that_were_put_together() -> None:
    levels = MicrophoneLevels()
    uplink = open_uplink(levels)
    uplink.assistant = asr.Assistant.SPEAKING
    uplink.hear(AudioPacket(4 * NOISE, 0, packets=4), 0)
    uplink.hear(AudioPacket(2 * NOISE, 14, left_out=10, packets=2), 0)
    assert levels.packets == 16


async def test_a_sound_in_one_of_the_packets_that_were_put_together_goes_on_at_once() -> None:
    uplink = open_uplink(MicrophoneLevels())
    sent: list[asr.Audio] = []
    later: list[asr.Audio] = []
    uplink.connect(sent.append, later.append)
    uplink.assistant = asr.Assistant.THINKING
    for place in (0, 2, 4, 6):
        uplink.hear(AudioPacket(2 * QUIET, place, packets=2), 0)
    assert (len(sent), len(later)) == (0, 2)
    uplink.hear(AudioPacket(QUIET + SOFT_VOICE, 8, packets=2), 0)
    assert (len(sent), len(later)) == (1, 2)


async def test_packets_may_be_long_where_no_decision_hangs_on_the_next_sound() -> None:
    uplink = open_uplink(MicrophoneLevels())
    assert uplink.packet_time == PacketTime(80, 80)
    uplink.is_turn_open = True
    assert uplink.packet_time == PacketTime(80, 80)
    uplink.pausing = True
    assert uplink.packet_time == PacketTime(20, 20), "the end of the turn hangs on it"
    uplink.pausing = False
    assert uplink.packet_time == PacketTime(80, 80)
    uplink.assistant = asr.Assistant.SPEAKING
    assert uplink.packet_time == PacketTime(20, 80), "a voice interrupts, and silence does not"
