"""Log lines name the trace that they belong to, and go to a collector too where one is named, without secrets."""

from __future__ import annotations

import asyncio
import contextvars
import json
import logging
import threading
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Final

import grpc.aio
import pytest
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2, logs_service_pb2_grpc
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
from prometheus_client import CollectorRegistry, Counter

from serving.config import ConfigError
from serving.log_export import LogQueue
from serving.log_lines import configure_logging
from serving.telemetry import SpanIdentity, enter_trace, open_telemetry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
    from opentelemetry.sdk._logs import ReadableLogRecord

TURN: Final = SpanIdentity(0xABC, 0xDE)
FATES: Final = ("sent", "failed", "dropped")


class Collector(logs_service_pb2_grpc.LogsServiceServicer):
    """Keeps every log record that is sent to it."""

    def __init__(self) -> None:
        self.services: set[str] = set()
        self.records: list[LogRecord] = []

    async def Export(  # noqa: N802 - the name in the proto
        self, request: logs_service_pb2.ExportLogsServiceRequest, context: object
    ) -> logs_service_pb2.ExportLogsServiceResponse:
        assert context is not None
        for resource in request.resource_logs:
            named = {pair.key: pair.value.string_value for pair in resource.resource.attributes}
            self.services.add(named["service.name"])
            self.records += [record for scope in resource.scope_logs for record in scope.log_records]
        return logs_service_pb2.ExportLogsServiceResponse()


@asynccontextmanager
async def collecting() -> AsyncIterator[tuple[Collector, str]]:
    collector, server = Collector(), grpc.aio.server()
    logs_service_pb2_grpc.add_LogsServiceServicer_to_server(collector, server)  # type: ignore[no-untyped-call]  # theirs
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield collector, f"http://127.0.0.1:{port}"
    finally:
        await server.stop(None)


@contextmanager
def own_handlers() -> Iterator[None]:
    """Give the handlers of whoever runs the tests back."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    try:
        yield
    finally:
        root.handlers[:] = before
        root.setLevel(level)


def test_a_line_names_the_trace_and_the_span_that_it_is_of(capsys: pytest.CaptureFixture[str]) -> None:
    log = logging.getLogger("parley.test")
    with own_handlers():
        configure_logging("gateway", "INFO")
        log.info("outside")
        contextvars.copy_context().run(say_inside, log)
        log.info("of it", extra={"session": "s-1", "turn": 3, "span": TURN.context})
    outside, inside, of_it = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    ids = {"trace_id": f"{0xABC:032x}", "span_id": f"{0xDE:016x}"}
    assert "trace_id" not in outside
    assert inside.items() >= ids.items()
    assert of_it.items() >= {**ids, "session": "s-1", "turn": "3", "message": "of it"}.items()


def say_inside(log: logging.Logger) -> None:
    enter_trace(TURN)
    log.info("inside")


def test_an_event_is_one_line_whatever_is_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    with own_handlers():
        configure_logging("gateway", "INFO")
        log = logging.getLogger("parley.test")
        for text in ("one\ntwo", "one\u2028two", "\ud800"):
            log.warning("%s", text)
        try:
            int("x")
        except ValueError:
            log.exception("failed\nwith lines")
    # What is no character at all cannot be printed, and costs no line.
    lines = capsys.readouterr().err.split("\n")
    events = [json.loads(line) for line in lines if line.startswith("{")]
    assert [event["message"] for event in events if "message" in event][-1] == "failed\nwith lines"
    assert len(events) >= 3


async def test_log_records_go_to_the_collector_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_LOGS_EXPORTER", "otlp")
    monkeypatch.setenv("PARLEY_LLM_API_KEY", "sk-very-secret")
    monkeypatch.delenv("OTEL_TRACES_EXPORTER", raising=False)
    async with collecting() as (collector, endpoint):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", endpoint)
        with own_handlers():
            await asyncio.to_thread(say_something)
    first, second = collector.records
    assert collector.services == {"gateway"}
    assert (first.body.string_value, first.severity_text) == ("a turn with ***", "INFO")
    assert (first.trace_id.hex(), first.span_id.hex()) == (f"{0xABC:032x}", f"{0xDE:016x}")
    said = {pair.key: pair.value.string_value for pair in first.attributes}
    assert said == {"session.id": "s-1", "parley.turn": "1"}
    assert "base 10: '***'" in {pair.key: pair.value.string_value for pair in second.attributes}["exception.stacktrace"]


def say_something() -> None:
    """A process that logs, and whose exporter does."""
    with open_telemetry("gateway"):
        log = logging.getLogger("parley.test")
        log.info("a turn with %s", "sk-very-secret", extra={"session": "s-1", "turn": 1, "span": TURN.context})
        try:
            int("sk-very-secret")
        except ValueError:
            log.exception("failed")
        logging.getLogger("opentelemetry.exporter").warning("what would come back for ever")


@pytest.mark.parametrize("value", ["", "none", " "])
def test_nothing_is_shipped_unless_that_is_asked_for(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("OTEL_LOGS_EXPORTER", value)
    with own_handlers(), open_telemetry("gateway") as telemetry:
        logging.getLogger("parley.test").info("to nobody")
    assert telemetry.registry.get_sample_value("parley_log_records_total", {"fate": "sent"}) is None


def test_an_exporter_that_is_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_LOGS_EXPORTER", "carrier-pigeon")
    with (
        pytest.raises(ConfigError, match="OTEL_LOGS_EXPORTER=carrier-pigeon: not one of none, otlp"),
        open_telemetry("a"),
    ):
        pass


class Frozen(LogRecordExporter):
    """Does not come back until it is let go."""

    def __init__(self, let_go: threading.Event) -> None:
        self.let_go = let_go
        self.count = 0

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        self.let_go.wait()
        self.count += len(batch)
        return LogRecordExportResult.SUCCESS

    def shutdown(self) -> None:
        self.let_go.set()

    def force_flush(self, timeout_millis: int = 10_000) -> bool:
        return timeout_millis > 0


def test_a_frozen_collector_holds_nobody_up_and_what_is_dropped_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BLRP_MAX_QUEUE_SIZE", "100")
    monkeypatch.setenv("OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", "10")
    registry, backend, provider = CollectorRegistry(), Frozen(threading.Event()), LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(LogQueue(backend, Counter("records", "", ["fate"], registry=registry)))
    with own_handlers():
        configure_logging("gateway", "CRITICAL", provider)
        for number in range(1_000):
            logging.getLogger("parley.test").critical("%d", number)
        backend.let_go.set()
        provider.shutdown()
    counted = [registry.get_sample_value("records_total", {"fate": fate}) for fate in FATES]
    assert counted == [100, 0, 900]
    assert backend.count == 100
