"""Traces, metrics and logs of one process.

Spans go where the standard `OTEL_*` variables say (`telemetry_export`); metrics are read by Prometheus; logs are one
JSON object a line on standard error. Nothing here ever sees the words of a user. Knows no service by name.
"""

from __future__ import annotations

import contextvars
import functools
import json
import logging
import os
import random
import sys
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Final

from opentelemetry import trace
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from prometheus_client import CollectorRegistry, GCCollector, Histogram, PlatformCollector, ProcessCollector

from parley._masking import masked, secrets_of
from serving.telemetry_export import disabled, open_queues

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from opentelemetry.context import Context
    from opentelemetry.sdk.trace.sampling import Sampler
    from opentelemetry.util.types import AttributeValue

LATENCY_BUCKETS: Final = (0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
"""Bounds in seconds for everything that a user waits for."""

_TRACEPARENT_LENGTH = 55
# Callers choose the names of their sessions.
_LONGEST_ID = 100
_LAST_SPANS_SECONDS = 1.0
_propagator = TraceContextTextMapPropagator()
_preset: contextvars.ContextVar[tuple[int, int] | None] = contextvars.ContextVar("preset span identity", default=None)


@dataclass(frozen=True, slots=True)
class SpanIdentity:
    """Ids of a span that does not exist yet, so that others can already name it as their parent."""

    trace_id: int
    """128 bits."""
    span_id: int
    """64 bits."""
    sampled: bool = True
    """The span will be recorded, and so may those below it."""

    @classmethod
    def new(cls) -> SpanIdentity:
        """Ids that nobody has used, for the root of a trace that `OTEL_TRACES_SAMPLER` decides on now."""
        # Not a secret: ids only need to be different.
        trace_id = random.getrandbits(128) or 1
        return cls(trace_id, random.getrandbits(64) or 1, _samples(trace_id))

    @property
    def traceparent(self) -> str:
        """W3C header of the span."""
        return f"00-{self.trace_id:032x}-{self.span_id:016x}-{self.sampled:02x}"

    @property
    def trace_id_hex(self) -> str:
        """The trace id as people see it, 32 digits."""
        return f"{self.trace_id:032x}"


@dataclass(frozen=True, slots=True)
class SpanEvent:
    """A moment in a span."""

    name: str
    """What happened."""
    unix_ns: int
    """When."""


class _PresetIds(IdGenerator):
    """Random ids, except where a span was promised before it could be started."""

    def __init__(self) -> None:
        self._random = RandomIdGenerator()

    def generate_span_id(self) -> int:
        preset = _preset.get()
        return preset[1] if preset else self._random.generate_span_id()

    def generate_trace_id(self) -> int:
        preset = _preset.get()
        return preset[0] if preset else self._random.generate_trace_id()


class Telemetry:
    """Tracer and metrics registry of one process; made once in `__main__` and passed on."""

    def __init__(self, provider: TracerProvider, registry: CollectorRegistry) -> None:
        """Use what `open_telemetry` (or a test) has prepared."""
        self._provider = provider
        self.tracer = provider.get_tracer("parley")
        self.registry = registry

    def histogram(self, name: str, description: str, labels: Sequence[str] = ()) -> Histogram:
        """A histogram of seconds over `LATENCY_BUCKETS`."""
        return Histogram(name, description, labels, buckets=LATENCY_BUCKETS, registry=self.registry)

    def record(  # noqa: PLR0913 - a span has these six parts
        self,
        name: str,
        *,
        parent: str,
        start_ns: int,
        end_ns: int,
        attributes: Mapping[str, AttributeValue] | None = None,
        events: Sequence[SpanEvent] = (),
    ) -> None:
        """Record a span whose times are known, in nanoseconds since the Unix epoch; `parent` is a traceparent."""
        span = self.tracer.start_span(name, context=context_of(parent), start_time=start_ns, attributes=attributes)
        for event in events:
            span.add_event(event.name, timestamp=event.unix_ns)
        span.end(max(start_ns, end_ns))

    def record_root(  # noqa: PLR0913 - as above, and who it is
        self,
        name: str,
        *,
        identity: SpanIdentity,
        start_ns: int,
        end_ns: int,
        attributes: Mapping[str, AttributeValue] | None = None,
        previous: SpanIdentity | None = None,
    ) -> None:
        """Record the root of a trace under the identity that its children already name, linked to the trace before."""
        links = [] if previous is None else [trace.Link(_span_context(previous))]
        token = _preset.set((identity.trace_id, identity.span_id))
        try:
            span = self.tracer.start_span(
                name,
                context=trace.set_span_in_context(trace.INVALID_SPAN),
                start_time=start_ns,
                attributes=attributes,
                links=links,
            )
        finally:
            _preset.reset(token)
        span.end(max(start_ns, end_ns))

    def flush(self) -> None:
        """Send what has not been sent yet."""
        self._provider.force_flush()


def context_of(traceparent: str) -> Context:
    """Context of a W3C traceparent; an empty one, for a new trace, where it is empty or malformed."""
    return _propagator.extract({"traceparent": traceparent} if len(traceparent) >= _TRACEPARENT_LENGTH else {})


def traceparent_of(span: trace.Span) -> str:
    """W3C traceparent of a span."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier, trace.set_span_in_context(span))
    return carrier.get("traceparent", "")


def content_allowed() -> bool:
    """True when the operator wants users' words in spans (`PARLEY_TRACE_CONTENT=1`), under `parley.pii.*` only."""
    return os.environ.get("PARLEY_TRACE_CONTENT", "") == "1"


def clock_ns() -> int:
    """Nanoseconds since the Unix epoch: the clock that spans use."""
    return time.time_ns()


def new_provider(service: str) -> TracerProvider:
    """A tracer provider for `service`, without exporters.

    `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` say more of it, or otherwise.
    """
    ours = {"service.name": service}
    # Whoever runs the sources without installing them has no version.
    with suppress(PackageNotFoundError):
        ours["service.version"] = version("parley-voice")
    resource = Resource.create(ours).merge(OTELResourceDetector().detect())
    return TracerProvider(resource=resource, id_generator=_PresetIds(), shutdown_on_exit=False)


@contextmanager
def open_telemetry(service: str, level: str = "INFO") -> Iterator[Telemetry]:
    """Telemetry of a process that calls itself `service`, and logs from `level` up.

    What is left is sent within a second of leaving the block.

    Raises:
        ConfigError: an `OTEL_*` variable has a value that cannot be used.
    """
    provider, registry = new_provider(service), CollectorRegistry()
    for queue in open_queues(registry):
        provider.add_span_processor(queue)
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    configure_logging(service, level)
    try:
        yield Telemetry(provider, registry)
    finally:
        # A collector that is away would hold up the end of the process for as long as it is asked again.
        closing = threading.Thread(target=provider.shutdown, name="last spans", daemon=True)
        closing.start()
        closing.join(_LAST_SPANS_SECONDS)


def configure_logging(service: str, level: str) -> None:
    """Send the process's logs from `level` up to standard error, one JSON object a line, without secrets."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines(service, secrets_of(os.environ)))
    logging.basicConfig(handlers=[handler], level=level, force=True)


class _JsonLines(logging.Formatter):
    """Logs as JSON; `extra={"session": …, "trace": …}` become fields."""

    def __init__(self, service: str, secrets: Sequence[str]) -> None:
        super().__init__()
        self._service = service
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, str] = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S") + f".{int(record.msecs):03d}",
            "level": record.levelname.lower(),
            "service": self._service,
            "message": masked(record.getMessage(), self._secrets),
        }
        for name in ("session", "turn", "trace"):
            value = record.__dict__.get(name)
            if value is not None:
                line[name] = str(value)[:_LONGEST_ID]
        if record.exc_info:
            line["error"] = masked(self.formatException(record.exc_info), self._secrets)
        return json.dumps(line, ensure_ascii=False)


def _span_context(identity: SpanIdentity) -> trace.SpanContext:
    flags = trace.TraceFlags(int(identity.sampled))
    return trace.SpanContext(identity.trace_id, identity.span_id, is_remote=False, trace_flags=flags)


def _samples(trace_id: int) -> bool:
    """What the provider will decide on a trace when its root is recorded: it looks at nothing but the id."""
    return not disabled() and _sampler().should_sample(None, trace_id, "").decision is Decision.RECORD_AND_SAMPLE


@functools.cache
def _sampler() -> Sampler:
    """The one that `OTEL_TRACES_SAMPLER` names, as every provider of this process has it."""
    return TracerProvider(shutdown_on_exit=False).sampler
