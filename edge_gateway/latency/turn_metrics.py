"""What operators and listeners are told of turns: one trace each, metrics, and the report with its waterfall.

Never the words of a user, except in the report to that user. Knows nothing of how turns are decided.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from prometheus_client import Counter, Histogram

from edge_gateway.latency.action_metrics import ActionMetrics
from edge_gateway.latency.sample_count import SampleCount
from edge_gateway.latency.session_metrics import SessionMetrics
from edge_gateway.latency.timeline import TurnTimeline, explained, slices
from edge_gateway.latency.turn_trace import Around, record_turn, record_unanswered
from parley.asr import DiscardReason
from parley.audio import LISTENING_RATE_HZ
from parley.conversation import MarkKind, Outcome, TurnReport, TurnTimes, WaterfallSlice
from serving.metrics import counter, exemplar
from serving.telemetry import clock_ns

if TYPE_CHECKING:
    from edge_gateway.latency.client_clock import ClientClock
    from edge_gateway.status.turn_log import TurnLog
    from edge_gateway.turn import Turn
    from parley import asr
    from parley.errors import ParleyError
    from serving.telemetry import SpanIdentity, Telemetry

_log = logging.getLogger("parley.gateway")

_NS: Final = 1e9
_NS_PER_MS: Final = 1e6
# A duck or a stop that comes later has to do with another voice, or with a clock that cannot be believed.
_LONGEST_BARGE_IN_SECONDS: Final = 10.0


class TurnMetrics:
    """Traces and metrics of the gateway."""

    def __init__(self, telemetry: Telemetry, log: TurnLog | None = None) -> None:
        """Register the metrics; turns that are over are put into `log` too."""
        self._telemetry, self._turn_log = telemetry, log
        self.actions, self.sessions = ActionMetrics(telemetry), SessionMetrics(telemetry)
        registry = telemetry.registry
        self._mic_to_speaker = telemetry.histogram(
            "parley_turn_mic_to_speaker_seconds", "From the end of the user's speech to the first audible sample."
        )
        self._endpointing = telemetry.histogram(
            "parley_endpointing_seconds", "From the end of the user's speech to the decision that the turn is over."
        )
        self._asr_final = telemetry.histogram("parley_asr_final_seconds", "From that decision to the words.")
        self._llm_ttft = telemetry.histogram("parley_llm_ttft_seconds", "From asking the LLM to its first text.")
        self._tts_ttfa = telemetry.histogram("parley_tts_ttfa_seconds", "From the first text to the first sound.")
        self._turns = counter(telemetry, "parley_turns", "Turns by how their reply ended.", outcome=_names(Outcome))
        self._discards = counter(
            telemetry, "parley_discards", "What sounded like a turn and was none.", reason=_names(DiscardReason)
        )
        self._head_starts = counter(
            telemetry,
            "parley_head_starts",
            "Replies begun before the end of the turn was certain.",
            outcome=("used", "wasted"),
        )
        self._premature_ends = Counter(
            "parley_turns_ended_too_early", "Turns whose user went on within a second of their end.", registry=registry
        )
        self._excess_wait = telemetry.histogram(
            "parley_endpointing_beyond_need_seconds", "Silence waited at the end of turns, beyond their longest pause."
        )
        self._barge_in = _barge_in_histograms(telemetry)
        self._errors = counter(
            telemetry, "parley_hop_failures", "Failures of servers in turns.", hop=("asr", "llm", "tts")
        )
        self._received = SampleCount(registry)
        self._transcribed = Counter(
            "parley_audio_samples_transcribed", "Samples in finished turns, 16 kHz.", registry=registry
        )

    def received(self, samples: int) -> None:
        """Count samples from a microphone."""
        self._received.samples += samples

    def transcribed(self, end: asr.EndOfTurn, turn: Turn) -> None:
        """Count a finished turn's sound, and how long its end took to be found."""

        def count() -> None:
            leads = exemplar(turn.identity.traceparent)
            self._transcribed.inc(end.end_sample - end.first_sample)
            self._endpointing.observe(end.timings.endpoint_ms / 1000, leads)
            self._asr_final.observe(end.timings.final_ms / 1000, leads)

        self._telemetry.later(count)

    def discarded(self, gone: asr.TurnDiscarded) -> None:
        """Count what was no turn."""
        self._discards.labels(gone.reason.name.lower()).inc()
        _log.debug("%.2f s discarded", (gone.end_sample - gone.first_sample) / LISTENING_RATE_HZ)

    def head_start(self, outcome: str) -> None:
        """Count a speculative reply: "used" or "wasted"."""
        self._head_starts.labels(outcome).inc()

    def premature_end(self) -> None:
        """Count a turn that was ended before its user had finished."""
        self._premature_ends.inc()

    def excess_wait(self, turn: Turn) -> None:
        """Count how much longer than need be the end of a turn was waited for."""
        wait_seconds, traceparent = turn.timeline.utterance.excess_wait_ms / 1000, turn.identity.traceparent
        self._telemetry.later(lambda: self._excess_wait.observe(wait_seconds, exemplar(traceparent)))

    def barge_in(self, kind: MarkKind, seconds: float, turn: Turn | None) -> None:
        """Count how long after the user's first voice the loudspeaker was ducked, or fell silent.

        `turn` is the one whose reply it played, where that is still known.
        """
        if kind in self._barge_in and 0 <= seconds <= _LONGEST_BARGE_IN_SECONDS:
            leads = None if turn is None else exemplar(turn.identity.traceparent)
            self._barge_in[kind].observe(seconds, leads)

    @staticmethod
    def times(turn: Turn, clock: ClientClock) -> TurnTimes | None:
        """What the listener is told as soon as the reply can be heard; None when its time is not known."""
        timeline = turn.timeline
        total_ms = timeline.mic_to_speaker_ms
        if total_ms is None or turn.reply is None:
            return None
        return TurnTimes(
            turn=turn.number,
            reply=turn.reply.brief.number,
            transcript=turn.text,
            mic_to_speaker_ms=total_ms,
            waterfall=_slices_for_listener(timeline),
            trace_id=turn.identity.trace_id_hex,
            clock_uncertainty_ms=clock.uncertainty_us / 1000,
            head_start=timeline.reply.head_start,
            explained=explained(timeline),
        )

    def turn(
        self, session_id: str, turn: Turn, heard: str, clock: ClientClock, previous: SpanIdentity | None
    ) -> TurnReport:
        """Record a finished turn, and make the report for its listener.

        `heard` is what they heard of the reply, `previous` the root of the turn before.
        """
        timeline, reply, trace_id = turn.timeline, turn.reply, turn.identity.trace_id_hex
        self._observe(turn)
        self._turns.labels(turn.outcome.name.lower()).inc()
        if reply is not None and reply.failure is not None:
            self._errors.labels(reply.failure.hop).inc()
        record_turn(self._telemetry, Around(session_id, previous, turn.caller), turn, clock)
        total_ms = timeline.mic_to_speaker_ms
        latency = "-" if total_ms is None else f"{total_ms:.0f}"
        where = {"session": session_id, "turn": turn.number, "span": turn.identity.context}
        _log.info("turn %d: %s, mic to speaker %s ms", turn.number, turn.outcome.name.lower(), latency, extra=where)
        report = TurnReport(
            turn=turn.number,
            transcript=turn.text,
            reply_text=reply.words.text if reply is not None else "",
            heard=heard,
            mic_to_speaker_ms=total_ms,
            waterfall=_slices_for_listener(timeline),
            trace_id=trace_id,
            outcome=turn.outcome,
            clock_uncertainty_ms=clock.uncertainty_us / 1000,
            reply=reply.brief.number if reply is not None else 0,
            head_start=timeline.reply.head_start,
            explained=explained(timeline),
            waited_ms=timeline.utterance.waited_ms,
            beyond_need_ms=timeline.utterance.excess_wait_ms,
            too_early=timeline.utterance.premature_end,
            model=reply.model if reply is not None else "",
            decided_sample=timeline.utterance.decided_sample,
        )
        if self._turn_log is not None:
            self._turn_log.add(session_id, turn, report, clock_ns() // round(_NS_PER_MS))
        return report

    def unanswered(
        self, session_id: str, turn: Turn, outcome: str, error: ParleyError | None, previous: SpanIdentity | None
    ) -> None:
        """Record a turn that came to nothing: "discarded", "ignored", or "failed" by an `error` of the ASR server."""
        if error is not None:
            self._errors.labels("asr").inc()
        record_unanswered(self._telemetry, Around(session_id, previous, turn.caller), turn, outcome, error)

    def _observe(self, turn: Turn) -> None:
        leads = exemplar(turn.identity.traceparent)
        timeline, reply = turn.timeline, turn.timeline.reply

        def observe(histogram: Histogram, start_ns: int, end_ns: int) -> None:
            if start_ns and end_ns >= start_ns:
                histogram.observe((end_ns - start_ns) / _NS, leads)

        observe(self._mic_to_speaker, timeline.utterance.speech_end_ns, timeline.ends_ns)
        observe(self._llm_ttft, reply.asked_ns, reply.first_token_ns)
        observe(self._tts_ttfa, reply.first_token_ns, reply.first_audio_ns)


def _names(values: type[Outcome | DiscardReason]) -> tuple[str, ...]:
    """What the values of an enum are called in metrics."""
    return tuple(each.name.lower() for each in values if each.value)


def _barge_in_histograms(telemetry: Telemetry) -> dict[MarkKind, Histogram]:
    """What the client's own marks tell of an interruption."""
    return {
        MarkKind.DUCKED: telemetry.histogram(
            "parley_barge_in_duck_seconds", "From the user's first voice to the reply made quieter."
        ),
        MarkKind.SILENT: telemetry.histogram(
            "parley_barge_in_stop_seconds", "From the user's first voice to the loudspeaker's silence."
        ),
    }


def _slices_for_listener(timeline: TurnTimeline) -> tuple[WaterfallSlice, ...]:
    """The slices, in milliseconds after the end of the user's speech."""
    start = timeline.utterance.speech_end_ns
    spans = slices(timeline) if start else ()
    return tuple(
        WaterfallSlice(span.name, (span.start_ns - start) / _NS_PER_MS, (span.end_ns - span.start_ns) / _NS_PER_MS)
        for span in spans
    )
