"""Traces, metrics and logs of one process.

Spans go where the standard `OTEL_*` variables say (`telemetry_export`); metrics are read by Prometheus; logs are one
JSON object a line on standard error. Nothing here ever sees the words of a user. Knows no service by name.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import os
import random
import threading
import time
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from opentelemetry import trace
from opentelemetry.context import attach
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from prometheus_client import CollectorRegistry, GCCollector, Histogram, PlatformCollector, ProcessCollector

from serving.exporters import disabled
from serving.failures import Ending, note_failure
from serving.log_export import open_log_queues
from serving.log_lines import configure_logging
from serving.resource import resource_of
from serving.switches import SwitchesCollector
from serving.telemetry_export import open_queues

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from opentelemetry.context import Context
    from opentelemetry.sdk.trace.sampling import Sampler
    from opentelemetry.util.types import AttributeValue

LATENCY_BUCKETS: Final = (0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
"""Bounds in seconds for everything that a user waits for."""

CLAMPED: Final = "parley.clock_clamped"
"""Attribute of a span for which a client gave a time that cannot be."""

clock_ns: Final = time.time_ns
"""Nanoseconds since the Unix epoch: the clock that spans use."""

TRACEPARENT: Final = "traceparent"
"""Header, and key of gRPC's metadata, in which a caller's span is named (W3C Trace Context)."""

_TRACEPARENT_LENGTH = 55
_LAST_SPANS_SECONDS = 1.0
# Who is told of a turn's end may share a processor, and goes on first: a span takes 33 µs, .3 ms with cold caches.
_RECORDED_AFTER_SECONDS = 0.05
# A loop that is full has few turns, in which more is told than one at a time would record.
_MANY_TO_RECORD: Final = 50
# No turn is as long, and no clock is that far off: beyond it lie times that a client has made up.
_FARTHEST_NS: Final = 24 * 3_600 * 1_000_000_000
# What users said is bounded where an operator wants to see it.
_LONGEST_CONTENT: Final = 2_000
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
    def context(self) -> trace.SpanContext:
        """The span as OpenTelemetry names it."""
        flags = trace.TraceFlags(int(self.sampled))
        return trace.SpanContext(self.trace_id, self.span_id, is_remote=False, trace_flags=flags)

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
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)
    """What is known of it."""


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

    def __init__(self, provider: TracerProvider, registry: CollectorRegistry, after_seconds: float = 0.0) -> None:
        """Use what `open_telemetry` (or a test) has prepared; record what has been so long after it was told."""
        self._provider = provider
        self._after_seconds = after_seconds
        self.tracer = provider.get_tracer("parley")
        self.registry = registry
        self._to_record: deque[Callable[[], None]] = deque()

    def histogram(self, name: str, description: str, labels: Sequence[str] = ()) -> Histogram:
        """A histogram of seconds over `LATENCY_BUCKETS`."""
        return Histogram(name, description, labels, buckets=LATENCY_BUCKETS, registry=self.registry)

    def record(  # noqa: PLR0913 - a span has these parts
        self,
        name: str,
        *,
        parent: str,
        start_ns: int,
        end_ns: int,
        attributes: Mapping[str, AttributeValue] | None = None,
        events: Sequence[SpanEvent] = (),
        error: BaseException | None = None,
    ) -> None:
        """Record a span whose times are known, in nanoseconds since the Unix epoch; `parent` is a traceparent.

        With an `error` it has failed. A time that cannot be is brought to one that can, and the span says so.
        In a process's event loop it is recorded a moment later: who was waited for is answered before.
        """

        def record() -> None:
            times = _Times.possible(start_ns, end_ns)
            span = self.tracer.start_span(
                name, context=context_of(parent), start_time=times.start_ns, attributes=attributes
            )
            for event in events:
                span.add_event(event.name, event.attributes, timestamp=_possible(event.unix_ns, clock_ns()))
            _end(span, times, error)

        self.later(record)

    def record_root(  # noqa: PLR0913 - as above, and who it is
        self,
        name: str,
        *,
        identity: SpanIdentity,
        start_ns: int,
        end_ns: int,
        attributes: Mapping[str, AttributeValue] | None = None,
        links: Iterable[trace.SpanContext] = (),
        error: BaseException | None = None,
    ) -> None:
        """Record the root of a trace under the identity that its children already name, linked to other spans.

        Recorded as soon as with `record`.
        """

        def record() -> None:
            times = _Times.possible(start_ns, end_ns)
            token = _preset.set((identity.trace_id, identity.span_id))
            try:
                span = self.tracer.start_span(
                    name,
                    context=trace.set_span_in_context(trace.INVALID_SPAN),
                    start_time=times.start_ns,
                    attributes=attributes,
                    links=[trace.Link(each) for each in links],
                )
            finally:
                _preset.reset(token)
            _end(span, times, error)

        self.later(record)

    @contextmanager
    def span(
        self,
        name: str,
        *,
        parent: str = "",
        attributes: Mapping[str, AttributeValue] | None = None,
        kind: trace.SpanKind = trace.SpanKind.INTERNAL,
    ) -> Iterator[trace.Span]:
        """A span that lasts as long as the block, and fails with it; without a `parent` below the one around it.

        Unlike the SDK's own it tells only the kind of an error, never its text.
        """
        with (
            self.tracer.start_as_current_span(
                name,
                context=context_of(parent) if parent else None,
                kind=kind,
                attributes=attributes,
                record_exception=False,
                set_status_on_exception=False,
            ) as span,
            Ending(span),
        ):
            yield span

    def flush(self) -> None:
        """Send what has not been sent yet."""
        self.settle()
        self._provider.force_flush()

    def settle(self) -> None:
        """Record now what is to be recorded soon."""
        while self._to_record:
            self._to_record.popleft()()

    def later(self, record: Callable[[], None]) -> None:
        """Have something recorded a moment later, in a process's event loop: who is waited for goes on first.

        One in each turn of the loop, which they would hold up together; more where many wait.
        """
        if not self._after_seconds:
            record()
            return
        if not self._to_record:
            asyncio.get_running_loop().call_later(self._after_seconds, self._record_next)
        self._to_record.append(record)

    def _record_next(self) -> None:
        waiting = len(self._to_record)
        for _ in range(min(waiting, 1 + waiting // _MANY_TO_RECORD)):
            self._to_record.popleft()()
        if self._to_record:
            asyncio.get_running_loop().call_soon(self._record_next)


def context_of(traceparent: str) -> Context:
    """Context of a W3C traceparent; an empty one, for a new trace, where it is empty or malformed."""
    return _propagator.extract({TRACEPARENT: traceparent} if len(traceparent) >= _TRACEPARENT_LENGTH else {})


def span_of(traceparent: str) -> trace.SpanContext | None:
    """The span that a W3C traceparent names; None where it is empty or malformed."""
    context = trace.get_current_span(context_of(traceparent)).get_span_context()
    return context if context.is_valid else None


def content_allowed() -> bool:
    """True when the operator wants users' words in spans (`PARLEY_TRACE_CONTENT=1`), under `parley.pii.*` only."""
    return os.environ.get("PARLEY_TRACE_CONTENT", "") == "1"


def content(name: str, text: str) -> dict[str, AttributeValue]:
    """Words of a user as an attribute `parley.pii.NAME`, where the operator wants them; else nothing."""
    return {f"parley.pii.{name}": text[:_LONGEST_CONTENT]} if text and content_allowed() else {}


def enter_trace(identity: SpanIdentity) -> None:
    """Let what is logged in the rest of this task carry the ids of a span that is recorded later."""
    attach(trace.set_span_in_context(trace.NonRecordingSpan(identity.context)))


def new_provider(service: str) -> TracerProvider:
    """A tracer provider for `service`, without exporters."""
    return TracerProvider(resource=resource_of(service), id_generator=_PresetIds(), shutdown_on_exit=False)


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
    logs = open_log_queues(registry, provider.resource)
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    registry.register(SwitchesCollector())
    configure_logging(service, level, logs)
    telemetry = Telemetry(provider, registry, _RECORDED_AFTER_SECONDS)
    try:
        yield telemetry
    finally:
        telemetry.settle()
        # A collector that is away would hold up the end of the process for as long as it is asked again.
        ends = [provider.shutdown, *([logs.shutdown] if logs is not None else [])]
        closing = [threading.Thread(target=end, name="last spans", daemon=True) for end in ends]
        for thread in closing:
            thread.start()
        until = time.monotonic() + _LAST_SPANS_SECONDS
        for thread in closing:
            thread.join(max(0.0, until - time.monotonic()))


@dataclass(frozen=True, slots=True)
class _Times:
    """Where a span lies, and whether it was said to lie elsewhere."""

    start_ns: int
    end_ns: int
    clamped: bool

    @classmethod
    def possible(cls, start_ns: int, end_ns: int) -> _Times:
        """The nearest times that can be: one that cannot would make a backend refuse all that is sent with it."""
        now = clock_ns()
        start, end = _possible(start_ns, now), _possible(end_ns, now)
        return cls(start, max(start, end), (start, end) != (start_ns, end_ns))


def _possible(unix_ns: int, now_ns: int) -> int:
    return min(max(unix_ns, now_ns - _FARTHEST_NS), now_ns + _FARTHEST_NS)


def _end(span: trace.Span, times: _Times, error: BaseException | None) -> None:
    if times.clamped:
        span.set_attribute(CLAMPED, True)  # noqa: FBT003 - OpenTelemetry's own order
    if error is not None:
        note_failure(span, error)
    span.end(times.end_ns)


def _samples(trace_id: int) -> bool:
    """What the provider will decide on a trace when its root is recorded: it looks at nothing but the id."""
    return not disabled() and _sampler().should_sample(None, trace_id, "").decision is Decision.RECORD_AND_SAMPLE


@functools.cache
def _sampler() -> Sampler:
    """The one that `OTEL_TRACES_SAMPLER` names, as every provider of this process has it."""
    return TracerProvider(shutdown_on_exit=False).sampler
