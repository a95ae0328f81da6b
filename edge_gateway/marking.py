"""Notes in a turn's marks when its user fell silent, what the ASR server says of it, and whether it came too early."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from parley import asr
from parley.audio import LISTENING_RATE_HZ
from serving.telemetry import clock_ns

if TYPE_CHECKING:
    from edge_gateway.clock import ClientClock
    from edge_gateway.ear import TurnEnded
    from edge_gateway.waterfall import Marks

# Nobody can tell the end of a turn from the gap between two words sooner.
_LEAST_NEED_MS: Final = 200.0
# A user who speaks again within a second of the decision that they had finished, had not.
_TOO_EARLY_SAMPLES: Final = LISTENING_RATE_HZ


class Regret:
    """Finds turns that were taken to be over too early: their user went on within a second."""

    def __init__(self) -> None:
        """No turn has ended yet."""
        self._last: tuple[asr.EndOfTurn, Marks] | None = None
        self._went_on: Marks | None = None

    def began(self, speech: asr.SpeechStarted) -> None:
        """The user speaks; the turn before is marked if that is so soon after its end."""
        last, self._last = self._last, None
        if last is None:
            return
        end, marks = last
        if end.reason is asr.EndReason.SILENCE and speech.first_sample - end.end_sample <= _TOO_EARLY_SAMPLES:
            marks.too_early = True
            self._went_on = marks

    def ended(self, end: asr.EndOfTurn, marks: Marks, *, ignored: bool) -> bool:
        """Another turn has ended; True when the one before came too early. An `ignored` one was an echo or a nod."""
        went_on, self._went_on = self._went_on, None
        if not ignored:
            self._last = (end, marks)
        elif went_on is not None:
            went_on.too_early = False
        return went_on is not None and not ignored


def mark_end(marks: Marks, news: TurnEnded, clock: ClientClock) -> None:
    """Note when the user fell silent, by the capture time of the packet with the last voiced sample."""
    end, heard = news.end, news.last_voiced
    marks.ended_ns = clock_ns()
    marks.transcribe_ns = round((end.timings.queue_ms + end.timings.transcribe_ms) * 1e6)
    marks.known_ns = round(end.timings.known_ms * 1e6)
    marks.final_ns = round(end.timings.final_ms * 1e6)
    marks.waited_ms = end.timings.endpoint_ms
    marks.decided_sample = end.end_sample
    marks.beyond_need_ms = max(0.0, marks.waited_ms - max(end.longest_pause_ms, _LEAST_NEED_MS))
    if heard is None:
        return
    marks.received_ns, marks.forwarded_ns = heard.received_ns, heard.forwarded_ns
    marks.uplink_ns = clock.round_trip_us * 1000 // 2
    into_packet_us = (end.speech_end_sample - heard.first_sample) * 1_000_000 // LISTENING_RATE_HZ
    captured_us = heard.packet.captured_unix_us
    if captured_us:
        marks.speech_end_ns = (clock.to_gateway_us(captured_us) + into_packet_us) * 1000
    else:
        # The client did not say: its last sample was captured when it was sent, at the latest.
        length_us = heard.samples * 1_000_000 // LISTENING_RATE_HZ
        marks.speech_end_ns = heard.received_ns - marks.uplink_ns - (length_us - into_packet_us) * 1000
