"""Where a process's spans go, as the standard `OTEL_*` variables say, and what became of them. Holds nobody up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from prometheus_client import Counter

from serving.exporters import TRACES, disabled, exporter, whole_number
from serving.waiting import Waiting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk.trace import ReadableSpan
    from prometheus_client import CollectorRegistry

DELAY_MS: Final = 1_000
"""How long spans wait for others to go with them; the SDK's own five seconds are long for somebody who looks on."""
QUEUE: Final = 2_048
"""Spans that wait at most, where `OTEL_BSP_MAX_QUEUE_SIZE` does not say otherwise: the SDK's own number."""


def open_queues(registry: CollectorRegistry) -> tuple[SpanQueue, ...]:
    """One queue for each exporter that `OTEL_TRACES_EXPORTER` names.

    The standard has OTLP to this machine where that is unset. Here nothing is sent unless an endpoint is named too: who
    only wants to talk has no collector.

    Raises:
        ConfigError: there is no such exporter or protocol, or its settings are wrong.
    """
    wanted = [name or "otlp" for name in TRACES.exporters if name != "none" and (name or TRACES.endpoint)]
    if disabled() or not wanted:
        return ()
    fates = Counter(
        "parley_spans", "Spans, by what became of them: sent, failed, dropped.", ["fate"], registry=registry
    )
    return tuple(SpanQueue(exporter(TRACES, name), fates) for name in wanted)


class SpanQueue(BatchSpanProcessor):
    """Takes spans without waiting, and drops what comes while the exporter is too far behind."""

    def __init__(self, exporter: SpanExporter, fates: Counter) -> None:
        """Send to `exporter` from a thread, and count in `fates`."""
        self._waiting = Waiting(whole_number("OTEL_BSP_MAX_QUEUE_SIZE", QUEUE), fates)
        delay_ms = whole_number("OTEL_BSP_SCHEDULE_DELAY", DELAY_MS)
        super().__init__(_Counted(exporter, self._waiting), schedule_delay_millis=delay_ms)

    def on_end(self, span: ReadableSpan) -> None:
        """Take a span, or count it as dropped."""
        if span.context is not None and span.context.trace_flags.sampled and self._waiting.enter():
            super().on_end(span)


class _Counted(SpanExporter):
    """An exporter that counts what it sends."""

    def __init__(self, exporter: SpanExporter, waiting: Waiting) -> None:
        self._exporter = exporter
        self._waiting = waiting

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        sent = self._waiting.export(spans, lambda some: self._exporter.export(some) is SpanExportResult.SUCCESS)
        return SpanExportResult.SUCCESS if sent else SpanExportResult.FAILURE

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)
