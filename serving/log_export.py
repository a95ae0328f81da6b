"""Where a process's log records go beside standard error, as the standard `OTEL_*` variables say. Holds nobody up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, LogRecordExporter, LogRecordExportResult
from prometheus_client import Counter

from serving.exporters import LOGS, disabled, exporter, whole_number
from serving.telemetry_export import DELAY_MS, QUEUE
from serving.waiting import Waiting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk._logs import ReadableLogRecord, ReadWriteLogRecord
    from opentelemetry.sdk.resources import Resource
    from prometheus_client import CollectorRegistry


def open_log_queues(registry: CollectorRegistry, resource: Resource) -> LoggerProvider | None:
    """What ships log records of `resource` to each exporter that `OTEL_LOGS_EXPORTER` names; None: it names none.

    Raises:
        ConfigError: there is no such exporter or protocol, or its settings are wrong.
    """
    wanted = [name for name in LOGS.exporters if name not in {"", "none"}]
    if disabled() or not wanted:
        return None
    fates = Counter(
        "parley_log_records",
        "Log records to be shipped, by what became of them: sent, failed, dropped.",
        ["fate"],
        registry=registry,
    )
    provider = LoggerProvider(resource, shutdown_on_exit=False)
    for name in wanted:
        provider.add_log_record_processor(LogQueue(exporter(LOGS, name), fates))
    return provider


class LogQueue(BatchLogRecordProcessor):
    """Takes log records without waiting, and drops what comes while the exporter is too far behind."""

    def __init__(self, exporter: LogRecordExporter, fates: Counter) -> None:
        """Send to `exporter` from a thread, and count in `fates`."""
        self._waiting = Waiting(whole_number("OTEL_BLRP_MAX_QUEUE_SIZE", QUEUE), fates)
        delay_ms = whole_number("OTEL_BLRP_SCHEDULE_DELAY", DELAY_MS)
        super().__init__(_Counted(exporter, self._waiting), schedule_delay_millis=delay_ms)

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        """Take a record, or count it as dropped."""
        if self._waiting.enter():
            super().on_emit(log_record)


class _Counted(LogRecordExporter):
    """An exporter that counts what it sends."""

    def __init__(self, exporter: LogRecordExporter, waiting: Waiting) -> None:
        self._exporter = exporter
        self._waiting = waiting

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        success = LogRecordExportResult.SUCCESS
        sent = self._waiting.export(batch, lambda some: self._exporter.export(some) is success)
        return success if sent else LogRecordExportResult.FAILURE

    def shutdown(self) -> None:
        self._exporter.shutdown()  # type: ignore[no-untyped-call]  # theirs

    def force_flush(self, timeout_millis: int = 10_000) -> bool:
        return self._exporter.force_flush(timeout_millis)
