"""Measures the endpointing on what it decided: how long a turn's end was waited for, and whether it came too early."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from parley import asr
from parley.audio import LISTENING_RATE_HZ
from serving.telemetry import clock_ns

if TYPE_CHECKING:
    from edge_gateway.input.replay_buffer import HeardPacket
    from edge_gateway.latency.client_clock import ClientClock
    from edge_gateway.latency.timeline import UtteranceTimes

# Nobody can tell the end of a turn from the gap between two words sooner.
_LEAST_NEED_MS: Final = 200.0
# A user who speaks again within a second of the decision that they had finished, had not.
_TOO_EARLY_SAMPLES: Final = LISTENING_RATE_HZ
_NS_PER_S: Final = 1_000_000_000
# Sound is on its way for no longer than this: a client's clock that says so cannot be believed.
_LONGEST_UPLINK_NS: Final = 10 * _NS_PER_S
_IMPOSSIBLE: Final = -1


class PrematureEnds:
    """Finds turns that were taken to be over too early: their user went on within a second."""

    def __init__(self) -> None:
        """No turn has ended yet."""
        self._last: tuple[asr.EndOfTurn, UtteranceTimes] | None = None
        self._went_on: UtteranceTimes | None = None

    def speech_started(self, speech: asr.SpeechStarted) -> None:
        """The user speaks; the turn before is marked if that is so soon after its end."""
        last, self._last = self._last, None
        if last is None:
            return
        end, times = last
        if end.reason is asr.EndReason.SILENCE and speech.first_sample - end.end_sample <= _TOO_EARLY_SAMPLES:
            times.premature_end = True
            self._went_on = times

    def turn_ended(self, end: asr.EndOfTurn, times: UtteranceTimes, *, ignored: bool) -> bool:
        """Another turn has ended; True when the one before came too early. `ignored`: an echo or a backchannel."""
        went_on, self._went_on = self._went_on, None
        if not ignored:
            self._last = (end, times)
        elif went_on is not None:
            went_on.premature_end = False
        return went_on is not None and not ignored


def note_end(times: UtteranceTimes, end: asr.EndOfTurn, last_voiced: HeardPacket | None, clock: ClientClock) -> None:
    """Note when the user fell silent, by the packet with the last voiced sample, and what the ASR server did then."""
    times.ended_ns = clock_ns()
    times.decided_sample = end.end_sample
    times.transcribe_ns = round((end.timings.queue_ms + end.timings.transcribe_ms) * 1e6)
    times.known_ns = round(end.timings.known_ms * 1e6)
    times.final_ns = round(end.timings.final_ms * 1e6)
    times.waited_ms = end.timings.endpoint_ms
    times.excess_wait_ms = max(0.0, times.waited_ms - max(end.longest_pause_ms, _LEAST_NEED_MS))
    if last_voiced is not None:
        times.received_ns, times.decoded_ns = last_voiced.received_ns, last_voiced.decoded_ns
        times.uplink_ns = _uplink_ns(clock)
        times.speech_end_ns = captured_ns(last_voiced, end.speech_end_sample, clock)
        times.clamped = _captured_by_client(last_voiced, end.speech_end_sample, clock) == _IMPOSSIBLE


def captured_ns(packet: HeardPacket, sample: int, clock: ClientClock) -> int:
    """When a sample of a packet was captured, on the gateway's clock.

    Without a capture time, or with one that cannot be, the packet's last sample counts as captured when it was sent.
    """
    said_ns = _captured_by_client(packet, sample, clock)
    if said_ns > 0:
        return said_ns
    into_ns, sent_ns = _into_ns(packet, sample), packet.received_ns - _uplink_ns(clock)
    return min(sent_ns - (packet.sound_samples * _NS_PER_S // LISTENING_RATE_HZ - into_ns), packet.received_ns)


def _captured_by_client(packet: HeardPacket, sample: int, clock: ClientClock) -> int:
    """What the client says of that; 0: it says nothing that could be read, `_IMPOSSIBLE`: it says what cannot be."""
    # Before the first exchange the client's clock says nothing.
    if not packet.captured_unix_us or not clock.known:
        return 0
    at_ns = clock.to_gateway_us(packet.captured_unix_us) * 1000 + _into_ns(packet, sample)
    if packet.received_ns - _LONGEST_UPLINK_NS <= at_ns <= packet.received_ns:
        return at_ns
    # A recording is sent ahead of its own time, and no two clocks are one.
    return 0 if packet.received_ns < at_ns <= packet.received_ns + _NS_PER_S else _IMPOSSIBLE


def _into_ns(packet: HeardPacket, sample: int) -> int:
    """How long after the beginning of the packet's sound the sample lies."""
    return (sample - packet.sound_sample) * _NS_PER_S // LISTENING_RATE_HZ


def _uplink_ns(clock: ClientClock) -> int:
    """How long the way to the gateway is thought to take; a client that is slow to answer pings has no longer one."""
    return min(clock.round_trip_us * 1000 // 2, _LONGEST_UPLINK_NS)
