"""Times of one stream: when its sound came, and the spans and metrics of its turns. Knows nothing of gRPC or models."""

from __future__ import annotations

import logging
from bisect import bisect_left
from typing import TYPE_CHECKING, Final

from parley import asr
from serving.metrics import exemplar
from serving.telemetry import Telemetry, clock_ns, content, span_of

if TYPE_CHECKING:
    from opentelemetry.util.types import AttributeValue

    from asr_server.endpointing.endpointer import Ended
    from asr_server.metrics import AsrMetrics
    from asr_server.scheduler import Result
    from parley.errors import ParleyError

_log = logging.getLogger("parley.asr")

_NS: Final = 1_000_000_000


class TurnTelemetry:
    """Spans, metrics and logs of one stream's turns."""

    def __init__(self, telemetry: Telemetry, metrics: AsrMetrics, session_id: str) -> None:
        """Record spans with `telemetry`, and count in `metrics`."""
        self._telemetry = telemetry
        self._metrics = metrics
        self._session_id = session_id
        self._arrivals: list[tuple[int, int]] = []
        self._contexts: dict[int, str] = {}
        self._caller = ""
        """Who opened the stream, where nobody gives its turns traces of their own."""

    @staticmethod
    def now() -> int:
        """Nanoseconds since the Unix epoch."""
        return clock_ns()

    def stream(self, first_turn: int, traceparent: str) -> None:
        """Spans of all turns will be children of `traceparent`, until `context` is told of one."""
        self._contexts[first_turn] = self._caller = traceparent

    def context(self, turn: int, traceparent: str) -> None:
        """Spans of `turn` will be children of `traceparent`."""
        self._contexts = {number: parent for number, parent in self._contexts.items() if number >= turn - 1}
        self._contexts[turn] = traceparent
        self._caller = ""

    def arrived(self, end_sample: int) -> None:
        """Sound up to `end_sample` has just come."""
        self._arrivals.append((end_sample, clock_ns()))

    def forget(self, accounted: int) -> None:
        """Nothing before the sample `accounted` will be asked for."""
        del self._arrivals[: bisect_left(self._arrivals, (accounted,))]

    def failed(self, asked: str, error: ParleyError) -> None:
        """The engine failed on what it was `asked`: "final", "pause", "partial" or "turn_model"."""
        self._metrics.engine_failures.labels(asked).inc()
        newest = self._contexts[max(self._contexts)] if self._contexts else ""
        where = {"session": self._session_id, "span": span_of(newest)}
        _log.warning("the engine failed (%s): %s", asked, error, extra=where)

    def lost(self, turn: int, ended: Ended, decided_ns: int, error: ParleyError) -> None:
        """Record a turn whose words the engine failed on."""
        self._telemetry.record(
            "asr.transcribe",
            parent=self._parent(turn),
            start_ns=decided_ns,
            end_ns=clock_ns(),
            attributes=self._attributes(turn, ended),
            error=error,
        )

    def ended(self, turn: int, ended: Ended, result: Result, decided_ns: int, *, early: bool) -> asr.Timings:
        """Record a finished turn; gives its timings."""
        now = clock_ns()
        spoken_ns = self._arrival(ended.speech_end_sample) or decided_ns
        work_ns = round(result.work_seconds * _NS)
        done_ns = min(result.done_ns, now)
        parent, attributes = self._parent(turn), self._attributes(turn, ended)
        self._telemetry.record(
            "asr.end_of_turn", parent=parent, start_ns=spoken_ns, end_ns=decided_ns, attributes=attributes
        )
        self._telemetry.record(
            "asr.transcribe",
            parent=parent,
            start_ns=done_ns - work_ns - round(result.queue_seconds * _NS),
            end_ns=done_ns,
            attributes={
                **attributes,
                "parley.queue_ms": result.queue_seconds * 1000,
                "parley.engine_ms": result.work_seconds * 1000,
                "parley.batch_size": result.batch_size,
                "parley.eager": early,
                **content("transcript", result.transcript.text),
            },
        )
        final_seconds = 0.0 if early else (now - decided_ns) / _NS
        self._telemetry.later(lambda: self._metrics.final_seconds.observe(final_seconds, exemplar(parent)))
        return asr.Timings(
            endpoint_ms=(ended.end_sample - ended.speech_end_sample) / 16,
            queue_ms=result.queue_seconds * 1000,
            transcribe_ms=result.work_seconds * 1000,
            final_ms=final_seconds * 1000,
            eager=early,
            known_ms=max(0, decided_ns - done_ns) / _NS * 1000 if early else 0.0,
        )

    def _parent(self, turn: int) -> str:
        return self._contexts.get(turn, self._caller)

    def _attributes(self, turn: int, ended: Ended) -> dict[str, AttributeValue]:
        return {
            "session.id": self._session_id,
            "parley.turn": turn,
            "parley.end_reason": ended.reason.name.lower(),
        }

    def _arrival(self, sample: int) -> int:
        """When the chunk with the sample before `sample` came; 0: not known any more."""
        found = 0
        for end_sample, at_ns in reversed(self._arrivals):
            if end_sample < sample:
                break
            found = at_ns
        return found
