"""What operators and listeners are told of turns: one trace each, metrics, and the report with its waterfall.

Never the words of a user, except in the report to that user. Knows nothing of how turns are decided.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from prometheus_client import Counter, Gauge, Histogram

from edge_gateway.waterfall import Marks, end_ns, explained, mic_to_speaker_ms, slices
from parley.audio import LISTENING_RATE_HZ
from parley.conversation import TurnReport, TurnTimes, WaterfallSlice
from serving.telemetry import SpanEvent, SpanIdentity, Telemetry

if TYPE_CHECKING:
    from opentelemetry.util.types import AttributeValue

    from edge_gateway.clock import ClientClock
    from edge_gateway.reply import Reply
    from parley import asr

_log = logging.getLogger("parley.gateway")

_NS: Final = 1e9
_NS_PER_MS: Final = 1e6
_OWN_SPANS: Final = ("client.", "gateway.")
"""The servers record the others themselves."""


class Reports:
    """Traces and metrics of the gateway."""

    def __init__(self, telemetry: Telemetry, max_sessions: int) -> None:
        """Register the metrics."""
        self._telemetry = telemetry
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
        self._turns = Counter("parley_turns", "Turns by how their reply ended.", ["outcome"], registry=registry)
        self._discards = Counter(
            "parley_discards", "What sounded like a turn and was none.", ["reason"], registry=registry
        )
        self._head_starts = Counter("parley_head_starts", "Replies begun in secret.", ["outcome"], registry=registry)
        self._too_early = Counter(
            "parley_turns_ended_too_early", "Turns whose user went on within a second of their end.", registry=registry
        )
        self._beyond_need = telemetry.histogram(
            "parley_endpointing_beyond_need_seconds", "Silence waited at the end of turns, beyond their longest pause."
        )
        self._errors = Counter("parley_hop_failures", "Failures of servers in turns.", ["hop"], registry=registry)
        self._received = Counter(
            "parley_audio_samples_received", "Samples from microphones, 16 kHz.", registry=registry
        )
        self._transcribed = Counter(
            "parley_audio_samples_transcribed", "Samples in finished turns, 16 kHz.", registry=registry
        )
        self._sessions = Gauge("parley_sessions_active", "Sessions now.", registry=registry)
        Gauge("parley_sessions_max", "Sessions that are taken at once.", registry=registry).set(max_sessions)

    def session_began(self) -> None:
        """Count a session."""
        self._sessions.inc()

    def session_ended(self) -> None:
        """Count a session off."""
        self._sessions.dec()

    def received(self, samples: int) -> None:
        """Count samples from a microphone."""
        self._received.inc(samples)

    def transcribed(self, end: asr.EndOfTurn) -> None:
        """Count a finished turn's sound, and how long its end took to be found."""
        self._transcribed.inc(end.end_sample - end.first_sample)
        self._endpointing.observe(end.timings.endpoint_ms / 1000)
        self._asr_final.observe(end.timings.final_ms / 1000)

    def discarded(self, gone: asr.TurnDiscarded) -> None:
        """Count what was no turn."""
        self._discards.labels(gone.reason.name.lower()).inc()
        _log.debug("%.2f s discarded", (gone.end_sample - gone.first_sample) / LISTENING_RATE_HZ)

    def head_start(self, outcome: str) -> None:
        """Count a reply begun in secret: "used" or "wasted"."""
        self._head_starts.labels(outcome).inc()

    def too_early(self) -> None:
        """Count a turn that was ended before its user had finished."""
        self._too_early.inc()

    def waited(self, marks: Marks) -> None:
        """Count how much longer than need be the end of a turn was waited for."""
        self._beyond_need.observe(marks.beyond_need_ms / 1000)

    @staticmethod
    def times(reply: Reply, transcript: str, clock: ClientClock) -> TurnTimes | None:
        """What the listener is told as soon as the reply can be heard; None when its time is not known."""
        marks, brief = reply.progress.marks, reply.brief
        total_ms = mic_to_speaker_ms(marks)
        if total_ms is None:
            return None
        return TurnTimes(
            turn=brief.turn,
            reply=brief.number,
            transcript=transcript,
            mic_to_speaker_ms=total_ms,
            waterfall=_slices_for_listener(marks),
            trace_id=brief.identity.trace_id_hex,
            clock_uncertainty_ms=clock.uncertainty_us / 1000,
            head_start=marks.head_start,
            explained=explained(slices(marks), marks.speech_end_ns, end_ns(marks)),
        )

    def turn(
        self,
        session_id: str,
        reply: Reply,
        said: tuple[str, str],
        clock: ClientClock,
        previous: SpanIdentity | None,
    ) -> TurnReport:
        """Record a finished turn, and make the report for its listener.

        `said` is what the user said and what they heard, `previous` the root of the turn before.
        """
        transcript, heard = said
        marks, progress, brief = reply.progress.marks, reply.progress, reply.brief
        self._observe(marks, brief.identity)
        self._turns.labels(progress.outcome.name.lower()).inc()
        if progress.failure is not None:
            self._errors.labels(progress.failure.hop).inc()
        total_ms = mic_to_speaker_ms(marks)
        share = explained(slices(marks), marks.speech_end_ns, end_ns(marks)) if total_ms else 0.0
        self._trace(session_id, reply, clock, previous, share)
        latency = "-" if total_ms is None else f"{total_ms:.0f}"
        where = {"session": session_id, "trace": brief.identity.trace_id_hex}
        _log.info("turn %d: %s, mic to speaker %s ms", brief.turn, progress.outcome.name.lower(), latency, extra=where)
        return TurnReport(
            turn=brief.turn,
            transcript=transcript,
            reply_text=progress.words.text,
            heard=heard,
            mic_to_speaker_ms=total_ms,
            waterfall=_slices_for_listener(marks),
            trace_id=brief.identity.trace_id_hex,
            outcome=progress.outcome,
            clock_uncertainty_ms=clock.uncertainty_us / 1000,
            reply=brief.number,
            head_start=marks.head_start,
            explained=share,
            waited_ms=marks.waited_ms,
            beyond_need_ms=marks.beyond_need_ms,
            too_early=marks.too_early,
            model=progress.model,
            decided_sample=marks.decided_sample,
        )

    def _observe(self, marks: Marks, identity: SpanIdentity) -> None:
        exemplar = {"trace_id": identity.trace_id_hex}

        def observe(histogram: Histogram, start_ns: int, end_ns: int) -> None:
            if start_ns and end_ns >= start_ns:
                histogram.observe((end_ns - start_ns) / _NS, exemplar)

        observe(self._mic_to_speaker, marks.speech_end_ns, end_ns(marks))
        observe(self._llm_ttft, marks.asked_ns, marks.first_token_ns)
        observe(self._tts_ttfa, marks.first_token_ns, marks.first_audio_ns)

    def _trace(
        self, session_id: str, reply: Reply, clock: ClientClock, previous: SpanIdentity | None, share: float
    ) -> None:
        marks, brief = reply.progress.marks, reply.brief
        start = marks.speech_end_ns or marks.asked_ns
        attributes: dict[str, AttributeValue] = {
            "session.id": session_id,
            "parley.turn": brief.turn,
            "parley.outcome": reply.progress.outcome.name.lower(),
            "parley.head_start": marks.head_start,
            "parley.explained": share,
            **({"gen_ai.response.model": reply.progress.model} if reply.progress.model else {}),
            **_endpointing(marks),
        }
        self._telemetry.record_root(
            "parley.turn",
            identity=brief.identity,
            start_ns=start,
            end_ns=end_ns(marks) or marks.text_end_ns or start,
            attributes=attributes,
            previous=previous,
        )
        events = {
            "gateway.encode": (SpanEvent("first_audio", marks.first_audio_ns),),
            "gateway.decide": (SpanEvent("first_token", marks.first_token_ns),),
        }
        for each in slices(marks):
            if not each.name.startswith(_OWN_SPANS):
                continue
            client = (
                {"parley.clock_uncertainty_ms": clock.uncertainty_us / 1000} if each.name.startswith("client.") else {}
            )
            self._telemetry.record(
                each.name,
                parent=brief.identity.traceparent,
                start_ns=each.start_ns,
                end_ns=each.end_ns,
                attributes=client,
                events=tuple(event for event in events.get(each.name, ()) if event.unix_ns),
            )


def _endpointing(marks: Marks) -> dict[str, AttributeValue]:
    """How well the end of the turn was found."""
    return {
        "parley.endpointing.waited_ms": marks.waited_ms,
        "parley.endpointing.beyond_need_ms": marks.beyond_need_ms,
        "parley.endpointing.too_early": marks.too_early,
    }


def _slices_for_listener(marks: Marks) -> tuple[WaterfallSlice, ...]:
    """The slices, in milliseconds after the end of the user's speech."""
    start = marks.speech_end_ns
    spans = slices(marks) if start else ()
    return tuple(
        WaterfallSlice(span.name, (span.start_ns - start) / _NS_PER_MS, (span.end_ns - span.start_ns) / _NS_PER_MS)
        for span in spans
    )
