"""Logs of one process: one JSON object a line on standard error, and to a collector where one is named.

Without secrets, and with the ids of the trace that a line belongs to.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from opentelemetry import trace
from opentelemetry._logs import LogRecord, SeverityNumber

from parley._masking import masked, secrets_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry._logs import LoggerProvider

# Callers choose the names of their sessions.
_LONGEST_ID: Final = 100
_FIELDS: Final = ("session", "turn", "client")
_SEVERITIES: Final = {
    logging.DEBUG: SeverityNumber.DEBUG,
    logging.INFO: SeverityNumber.INFO,
    logging.WARNING: SeverityNumber.WARN,
    logging.ERROR: SeverityNumber.ERROR,
    logging.CRITICAL: SeverityNumber.FATAL,
}
_OF_THE_SDK: Final = "opentelemetry"


def configure_logging(service: str, level: str, shipped: LoggerProvider | None = None) -> None:
    """Send the process's logs from `level` up to standard error, and to a collector by what has `shipped` opened."""
    secrets = secrets_of(os.environ)
    lines = logging.StreamHandler(sys.stderr)
    lines.setFormatter(_JsonLines(service, secrets))
    handlers: list[logging.Handler] = [lines]
    if shipped is not None:
        handlers.append(_Shipped(shipped, secrets))
    logging.basicConfig(handlers=handlers, level=level, force=True)


@dataclass(frozen=True, slots=True)
class _Event:
    """What a log record says, as people may read it."""

    message: str
    span: trace.SpanContext
    fields: dict[str, str] = field(default_factory=dict)
    error: str = ""

    @classmethod
    def of(cls, record: logging.LogRecord, secrets: Sequence[str]) -> _Event:
        said = ((name, record.__dict__.get(name)) for name in _FIELDS)
        span = record.__dict__.get("span")
        return cls(
            masked(record.getMessage(), secrets),
            span if isinstance(span, trace.SpanContext) else trace.get_current_span().get_span_context(),
            {name: str(value)[:_LONGEST_ID] for name, value in said if value is not None},
            masked(_formatter.formatException(record.exc_info), secrets) if record.exc_info else "",
        )


_formatter: Final = logging.Formatter()


class _JsonLines(logging.Formatter):
    """Logs as JSON; `extra` of session, turn and client become fields, `{"span": …}` names the span that it is of."""

    def __init__(self, service: str, secrets: Sequence[str]) -> None:
        super().__init__()
        self._service = service
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        event = _Event.of(record, self._secrets)
        line = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S") + f".{int(record.msecs):03d}",
            "level": record.levelname.lower(),
            "service": self._service,
            "message": event.message,
            **event.fields,
        }
        if event.span.is_valid:
            line["trace_id"] = trace.format_trace_id(event.span.trace_id)
            line["span_id"] = trace.format_span_id(event.span.span_id)
        if event.error:
            line["error"] = event.error
        return json.dumps(line, ensure_ascii=False)


class _Shipped(logging.Handler):
    """Hands log records to the SDK, which queues them for a collector."""

    def __init__(self, provider: LoggerProvider, secrets: Sequence[str]) -> None:
        super().__init__()
        self._logger = provider.get_logger("parley")
        self._secrets = secrets

    def emit(self, record: logging.LogRecord) -> None:
        # What the exporter says of a collector that is away would go there too, for ever.
        if record.name.partition(".")[0] == _OF_THE_SDK:
            return
        event = _Event.of(record, self._secrets)
        error = {"exception.stacktrace": event.error} if event.error else {}
        names = {"session": "session.id", "turn": "parley.turn", "client": "client.address"}
        self._logger.emit(
            LogRecord(
                timestamp=round(record.created * 1e9),
                context=trace.set_span_in_context(trace.NonRecordingSpan(event.span)),
                severity_number=_SEVERITIES.get(record.levelno, SeverityNumber.UNSPECIFIED),
                severity_text=record.levelname,
                body=event.message,
                attributes={**{names[name]: value for name, value in event.fields.items()}, **error},
            )
        )
