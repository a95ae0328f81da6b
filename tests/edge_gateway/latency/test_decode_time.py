"""Decoding is told for as long as it takes; what packets wait for each other is a part of the turn's end."""

from __future__ import annotations

from typing import Final

import pytest

from edge_gateway.input.uplink import Uplink
from edge_gateway.latency.client_clock import ClientClock
from edge_gateway.latency.endpointing_quality import note_end
from edge_gateway.latency.timeline import ReplyTimes, Slice, TurnTimeline, explained, slices
from edge_gateway.turn_taking.echo import MicrophoneLevels
from parley import asr
from parley.conversation import AudioPacket

MS: Final = 1_000_000
START_NS: Final = 1_700_000_000_000 * MS
PACKET: Final = 320
PACKET_MS: Final = 20
DECODING_MS: Final = 2
# When the words were known, and when the reply could be heard, after the first packet came.
ENDED_MS: Final = 600
AUDIBLE_MS: Final = 640


class Time:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.ns = START_NS

    def __call__(self) -> int:
        return self.ns

    def pass_ms(self, milliseconds: float) -> None:
        self.ns += round(milliseconds * MS)


class SlowDecoder:
    """A decoder that takes a known time for each packet."""

    keeps_packets = True
    packet_samples = PACKET

    def __init__(self, time: Time, milliseconds: float) -> None:
        self._time, self._milliseconds = time, milliseconds

    def decode(self, packet: bytes) -> bytes:
        del packet
        self._time.pass_ms(self._milliseconds)
        return bytes(2 * PACKET)

    def conceal(self, samples: int) -> bytes:
        return bytes(2 * samples)


class Session:
    """One microphone whose packets come at the pace of time."""

    def __init__(self, decoding_ms: float = DECODING_MS) -> None:
        self.time = Time()
        self.came_ms: list[float] = []
        """When each message was sent to the ASR server, after the first packet came."""
        self._sequence = 0
        self.uplink = Uplink(lambda: SlowDecoder(self.time, decoding_ms), MicrophoneLevels(), self.time)
        self.uplink.is_turn_open = True
        self.uplink.connect(self.came, self.came)

    def came(self, _audio: asr.Audio) -> None:
        self.came_ms.append((self.time.ns - START_NS) / MS)

    def hear(self, packets: int) -> None:
        for _ in range(packets):
            received_ns = self.time.ns
            self.uplink.hear(AudioPacket(b"x", self._sequence), received_ns)
            self._sequence += 1
            self.time.ns = received_ns + PACKET_MS * MS

    def turn_that_ends_with(self, packet: int) -> TurnTimeline:
        """The times of a turn whose last voiced sample is the last one of that packet."""
        timeline, end_sample = TurnTimeline(), PACKET * (packet + 1)
        timings = asr.Timings(300, queue_ms=0, transcribe_ms=0, final_ms=0, eager=True)
        end = asr.EndOfTurn(1, "hello", 0, 9_000, end_sample, asr.EndReason.SILENCE, timings, 800)
        note_end(timeline.utterance, end, self.uplink.buffer.with_sample(end_sample - 1), ClientClock())
        timeline.utterance.ended_ns = START_NS + ENDED_MS * MS
        audible_ns = START_NS + AUDIBLE_MS * MS
        timeline.reply = ReplyTimes(released_ns=audible_ns, first_audio_ns=audible_ns, first_sent_ns=audible_ns)
        return timeline


def times_of(timeline: TurnTimeline) -> dict[str, Slice]:
    return {each.name: each for each in slices(timeline)}


def milliseconds(each: Slice) -> float:
    return (each.end_ns - each.start_ns) / MS


# Four packets share a message: the first of them waits for three others, the last for none.
@pytest.mark.parametrize("last_voiced", [0, 1, 2, 3, 4, 7])
async def test_wherever_the_last_voiced_packet_stands_in_its_message_decoding_is_only_decoding(
    last_voiced: int,
) -> None:
    session = Session()
    session.hear(8)
    assert session.came_ms == [3 * PACKET_MS + DECODING_MS, 7 * PACKET_MS + DECODING_MS]
    timeline = session.turn_that_ends_with(last_voiced)
    told = times_of(timeline)
    assert milliseconds(told["gateway.decode"]) == DECODING_MS
    assert told["asr.endpoint"].start_ns == told["gateway.decode"].end_ns
    assert told["asr.endpoint"].end_ns == START_NS + ENDED_MS * MS
    assert explained(timeline) == 1


@pytest.mark.parametrize("decoding_ms", [0.1, 5, 19])
async def test_a_decoder_that_takes_long_is_told_as_such(decoding_ms: float) -> None:
    session = Session(decoding_ms)
    session.hear(4)
    told = times_of(session.turn_that_ends_with(0))
    assert milliseconds(told["gateway.decode"]) == pytest.approx(decoding_ms)


async def test_while_a_turn_may_end_nothing_waits_for_a_message() -> None:
    session = Session()
    session.hear(2)
    session.uplink.pausing = True
    session.hear(3)
    # Two packets that waited went when the voice stopped, and each that followed when it was decoded.
    began_ms = 2 * PACKET_MS
    assert session.came_ms == [began_ms, *(began_ms + PACKET_MS * place + DECODING_MS for place in range(3))]


async def test_sound_that_stayed_away_took_no_time_to_decode() -> None:
    session = Session()
    session.hear(4)
    session.uplink.be_silent(1.0)
    timeline = session.turn_that_ends_with(4)
    assert milliseconds(times_of(timeline)["gateway.decode"]) == 0
    assert explained(timeline) == 1
