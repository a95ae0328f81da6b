"""Turns that were taken to be over too early are found, and no others; the end of a turn is dated by what can be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_gateway.input.replay_buffer import HeardPacket
from edge_gateway.latency.client_clock import ClientClock
from edge_gateway.latency.endpointing_quality import PrematureEnds, captured_ns, note_end
from edge_gateway.latency.timeline import UtteranceTimes
from parley import asr

RATE_HZ = 16_000
PACKET = 320
MS = 1_000_000
SECOND = 1_000 * MS
RECEIVED_NS = 1_700_000_000 * SECOND
ANY_TIME = st.one_of(st.integers(-(2**63), 2**63 - 1), st.sampled_from([-(2**63), -1, 1, 2**62, 2**63 - 1]))


def end(
    at_seconds: float, reason: asr.EndReason = asr.EndReason.SILENCE, *, waited_ms: float = 330, pause_ms: int = 0
) -> asr.EndOfTurn:
    timings = asr.Timings(waited_ms, queue_ms=10, transcribe_ms=50, final_ms=20, eager=True, known_ms=70)
    sample = round(at_seconds * RATE_HZ)
    return asr.EndOfTurn(1, "hello", 0, sample, sample - 5_000, reason, timings, 800, longest_pause_ms=pause_ms)


def speech(at_seconds: float) -> asr.SpeechStarted:
    return asr.SpeechStarted(2, round(at_seconds * RATE_HZ), 200)


def packet(captured_unix_us: int = 0, *, gap_samples: int = 0) -> HeardPacket:
    """A packet of 20 ms at the beginning of the session, after a gap."""
    return HeardPacket(0, gap_samples + PACKET, gap_samples, b"x", captured_unix_us, RECEIVED_NS, RECEIVED_NS + 5 * MS)


def clock(*, ahead_us: int = 0, round_trip_us: int = 8_000) -> ClientClock:
    """A client's clock that is known."""
    known, at_us = ClientClock(), RECEIVED_NS // 1_000
    there = at_us + round_trip_us // 2 + ahead_us
    known.exchange(at_us, there, there, at_us + round_trip_us)
    return known


@pytest.mark.parametrize(("went_on_seconds", "too_early"), [(2.3, True), (2.9, True), (3.0, True), (3.2, False)])
def test_a_user_who_goes_on_within_a_second_had_not_finished(went_on_seconds: float, too_early: bool) -> None:  # noqa: FBT001 - a table
    premature, first = PrematureEnds(), UtteranceTimes()
    assert not premature.turn_ended(end(2.0), first, ignored=False)
    premature.speech_started(speech(went_on_seconds))
    assert first.premature_end is too_early
    assert premature.turn_ended(end(6.0), UtteranceTimes(), ignored=False) is too_early


def test_a_turn_that_came_too_early_is_counted_once() -> None:
    premature = PrematureEnds()
    premature.turn_ended(end(2.0), UtteranceTimes(), ignored=False)
    premature.speech_started(speech(2.3))
    premature.speech_started(speech(2.4))
    assert premature.turn_ended(end(6.0), UtteranceTimes(), ignored=False)
    assert not premature.turn_ended(end(9.0), UtteranceTimes(), ignored=False)


def test_an_echo_is_nobody_going_on() -> None:
    premature, first = PrematureEnds(), UtteranceTimes()
    premature.turn_ended(end(2.0), first, ignored=False)
    premature.speech_started(speech(2.3))
    assert not premature.turn_ended(end(4.0), UtteranceTimes(), ignored=True)
    assert not first.premature_end


def test_nobody_goes_on_after_an_echo() -> None:
    premature, echo = PrematureEnds(), UtteranceTimes()
    premature.turn_ended(end(2.0), echo, ignored=True)
    premature.speech_started(speech(2.3))
    assert not echo.premature_end


@pytest.mark.parametrize("reason", [asr.EndReason.TOO_LONG, asr.EndReason.FLUSH, asr.EndReason.STREAM_END])
def test_a_turn_that_was_not_ended_by_silence_did_not_end_too_early(reason: asr.EndReason) -> None:
    premature, first = PrematureEnds(), UtteranceTimes()
    premature.turn_ended(end(60.0, reason), first, ignored=False)
    premature.speech_started(speech(60.0))
    assert not first.premature_end


@pytest.mark.parametrize(
    ("waited_ms", "pause_ms", "excess_ms"),
    [
        pytest.param(330, 0, 130, id="nobody needs less than 200 ms"),
        pytest.param(660, 480, 180, id="a pause within the turn was needed"),
        pytest.param(280, 480, 0, id="less was waited than the turn's own pause"),
    ],
)
def test_what_was_waited_beyond_the_turns_own_pauses_was_too_long(
    waited_ms: float, pause_ms: int, excess_ms: float
) -> None:
    times = UtteranceTimes()
    note_end(times, end(2.0, waited_ms=waited_ms, pause_ms=pause_ms), None, ClientClock())
    assert (times.waited_ms, times.excess_wait_ms) == (waited_ms, excess_ms)


def test_the_end_of_speech_is_dated_by_the_packet_that_holds_it() -> None:
    times, last = UtteranceTimes(), packet(RECEIVED_NS // 1_000 - 30_000 + 7_000_000)
    note_end(times, asr_end_in_packet(160), last, clock(ahead_us=7_000_000))
    assert times.speech_end_ns == RECEIVED_NS - 30 * MS + 10 * MS
    assert (times.received_ns, times.decoded_ns) == (RECEIVED_NS, RECEIVED_NS + 5 * MS)
    assert times.uplink_ns == 4 * MS
    assert (times.transcribe_ns, times.known_ns, times.final_ns) == (60 * MS, 70 * MS, 20 * MS)


def asr_end_in_packet(sample: int) -> asr.EndOfTurn:
    timings = asr.Timings(330, queue_ms=10, transcribe_ms=50, final_ms=20, eager=True, known_ms=70)
    return asr.EndOfTurn(1, "hello", 0, 9_000, sample, asr.EndReason.SILENCE, timings, 800)


def test_a_turn_whose_packet_is_not_kept_any_more_has_no_end_of_speech() -> None:
    times = UtteranceTimes()
    note_end(times, end(2.0), None, clock())
    assert times.ended_ns > 0
    assert (times.speech_end_ns, times.received_ns, times.uplink_ns) == (0, 0, 0)


@pytest.mark.parametrize(
    "captured_unix_us",
    [
        pytest.param(0, id="not said"),
        pytest.param(-1, id="before 1970"),
        pytest.param(-(2**63), id="as early as can be"),
        pytest.param(2**63 - 1, id="as late as can be"),
        pytest.param(RECEIVED_NS // 1_000 + 1_000, id="after it arrived"),
        pytest.param(RECEIVED_NS // 1_000 - 10_100_000, id="ten seconds on its way"),
    ],
)
def test_a_capture_time_that_cannot_be_counts_as_none(captured_unix_us: int) -> None:
    # The last sample was captured when the packet was sent, half a round trip before it came.
    assert captured_ns(packet(captured_unix_us), PACKET, clock()) == RECEIVED_NS - 4 * MS
    assert captured_ns(packet(captured_unix_us), 0, clock()) == RECEIVED_NS - 4 * MS - 20 * MS


def test_before_the_first_pong_a_clients_clock_is_not_read() -> None:
    plausible_us = RECEIVED_NS // 1_000 - 25_000
    assert captured_ns(packet(plausible_us), PACKET, ClientClock()) == RECEIVED_NS
    assert captured_ns(packet(plausible_us), PACKET, clock()) == RECEIVED_NS - 5 * MS


def test_what_fills_a_gap_was_captured_before_the_packets_own_sound() -> None:
    captured_us = RECEIVED_NS // 1_000 - 25_000
    after_gap = packet(captured_us, gap_samples=2 * PACKET)
    assert captured_ns(after_gap, 2 * PACKET, clock()) == captured_us * 1_000
    assert captured_ns(after_gap, 0, clock()) == captured_us * 1_000 - 40 * MS


@given(
    captured_unix_us=ANY_TIME,
    sample=st.integers(0, 3 * PACKET),
    gap_samples=st.integers(0, 2 * PACKET),
    ahead_us=st.integers(-(2**61), 2**61),
    round_trip_us=st.integers(0, 300_000_000),
)
def test_no_sample_was_captured_after_it_came_or_long_before(
    captured_unix_us: int, sample: int, gap_samples: int, ahead_us: int, round_trip_us: int
) -> None:
    known = clock(ahead_us=ahead_us, round_trip_us=round_trip_us)
    heard = packet(captured_unix_us, gap_samples=gap_samples)
    at_ns = captured_ns(heard, min(sample, heard.samples), known)
    # Ten seconds on its way, and what a packet and the gap before it last.
    assert RECEIVED_NS - 10 * SECOND - 60 * MS <= at_ns <= RECEIVED_NS
