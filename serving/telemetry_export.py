"""Where a process's spans go, as the standard `OTEL_*` variables say, and what became of them. Holds nobody up."""

from __future__ import annotations

import os
import threading
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from prometheus_client import Counter

from serving.config import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk.trace import ReadableSpan
    from prometheus_client import CollectorRegistry

_GROUP: Final = "opentelemetry_traces_exporter"
"""Entry points under which packages offer exporters; the SDK looks there too."""
_PROTOCOLS: Final = {"grpc": "otlp_proto_grpc", "http/protobuf": "otlp_proto_http"}
_BESIDE_US: Final = ("localhost", "127.0.0.1", "::1")
_DELAY_MS: Final = 1_000
"""How long spans wait for others to go with them; the SDK's own five seconds are long for somebody who looks on."""
_QUEUE: Final = 2_048
"""Spans that wait at most, where `OTEL_BSP_MAX_QUEUE_SIZE` does not say otherwise: the SDK's own number."""


def disabled() -> bool:
    """True when `OTEL_SDK_DISABLED` turns traces off."""
    return _variable("OTEL_SDK_DISABLED").lower() == "true"


def open_queues(registry: CollectorRegistry) -> tuple[SpanQueue, ...]:
    """One queue for each exporter that `OTEL_TRACES_EXPORTER` names.

    The standard has OTLP to this machine where that is unset. Here nothing is sent unless an endpoint is named too: who
    only wants to talk has no collector.

    Raises:
        ConfigError: there is no such exporter or protocol, or its settings are wrong.
    """
    endpoint = _endpoint()
    names = [name.strip() for name in _variable("OTEL_TRACES_EXPORTER").split(",")]
    wanted = [name or "otlp" for name in names if name != "none" and (name or endpoint)]
    if disabled() or not wanted:
        return ()
    fates = Counter(
        "parley_spans", "Spans, by what became of them: sent, failed, dropped.", ["fate"], registry=registry
    )
    return tuple(SpanQueue(_exporter(name), fates) for name in wanted)


class SpanQueue(BatchSpanProcessor):
    """Takes spans without waiting, and drops what comes while the exporter is too far behind."""

    def __init__(self, exporter: SpanExporter, fates: Counter) -> None:
        """Send to `exporter` from a thread, and count in `fates`."""
        self._dropped = fates.labels("dropped")
        self._waiting = _Waiting(_whole_number("OTEL_BSP_MAX_QUEUE_SIZE", _QUEUE))
        delay_ms = _whole_number("OTEL_BSP_SCHEDULE_DELAY", _DELAY_MS)
        super().__init__(_Counted(exporter, self._waiting, fates), schedule_delay_millis=delay_ms)

    def on_end(self, span: ReadableSpan) -> None:
        """Take a span, or count it as dropped."""
        if span.context is None or not span.context.trace_flags.sampled:
            return
        if self._waiting.enter():
            super().on_end(span)
        else:
            self._dropped.inc()


class _Waiting:
    """How many spans wait, those that are under way included."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._count = 0
        self._lock = threading.Lock()

    def enter(self) -> bool:
        with self._lock:
            free = self._count < self._most
            self._count += free
        return free

    def leave(self, count: int) -> None:
        with self._lock:
            self._count -= count


class _Counted(SpanExporter):
    """An exporter that counts what it sends."""

    def __init__(self, exporter: SpanExporter, waiting: _Waiting, fates: Counter) -> None:
        self._exporter = exporter
        self._waiting = waiting
        self._sent, self._failed = fates.labels("sent"), fates.labels("failed")

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = SpanExportResult.FAILURE
        try:
            result = self._exporter.export(spans)
        finally:
            self._waiting.leave(len(spans))
            (self._sent if result is SpanExportResult.SUCCESS else self._failed).inc(len(spans))
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)


def _exporter(name: str) -> SpanExporter:
    """An exporter, imported only now: it costs 15 MB, and most first runs have no collector."""
    offered = entry_points(group=_GROUP)
    known = {point.name: point for point in offered}
    point = known.get(_otlp() if name == "otlp" else name)
    if point is None:
        choices = ", ".join(["none", "otlp", *sorted(known.keys() - set(_PROTOCOLS.values()))])
        raise ConfigError(f"OTEL_TRACES_EXPORTER={name}: not one of {choices}, nor offered by a package")
    try:
        exporter: SpanExporter = point.load()(**_past_proxies(point.name))
    except ValueError as error:
        raise ConfigError(f"OTEL_TRACES_EXPORTER={name}: its OTEL_EXPORTER_* variables are wrong: {error}") from error
    return exporter


def _past_proxies(name: str) -> dict[str, object]:
    """Arguments of an exporter whose collector is beside us: that is no affair of a company's proxy."""
    endpoint = _endpoint()
    if urlsplit(endpoint if "//" in endpoint else f"//{endpoint}").hostname not in _BESIDE_US:
        return {}
    if name == _PROTOCOLS["grpc"]:
        return {"channel_options": (("grpc.enable_http_proxy", 0),)}
    if name == _PROTOCOLS["http/protobuf"]:
        from requests import Session  # noqa: PLC0415 - with the exporter, not before

        session = Session()
        session.trust_env = False
        return {"session": session}
    return {}


def _endpoint() -> str:
    return _variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or _variable("OTEL_EXPORTER_OTLP_ENDPOINT")


def _otlp() -> str:
    variable = "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"
    if not _variable(variable):
        variable = "OTEL_EXPORTER_OTLP_PROTOCOL"
    protocol = _variable(variable) or "grpc"
    if protocol not in _PROTOCOLS:
        raise ConfigError(f"{variable}={protocol}: not one of {', '.join(_PROTOCOLS)}")
    return _PROTOCOLS[protocol]


def _whole_number(variable: str, default: int) -> int:
    text = _variable(variable)
    if not text.isdecimal() and text:
        raise ConfigError(f"{variable}={text}: not a whole number")
    return int(text or default) or default


def _variable(name: str) -> str:
    return os.environ.get(name, "").strip()
