"""What every process measures of its work, by the same names: the label `service` says whose. Knows no service by name.

An exemplar leads from a histogram's bucket to a trace. It is given where that trace is sampled, since nobody can open
another.
"""

from __future__ import annotations

import enum
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from opentelemetry import trace
from prometheus_client import Counter, Gauge, Histogram

from serving.loop_timer import loop_timer
from serving.telemetry import context_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from serving.telemetry import Telemetry

_SHORT_BUCKETS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
_BATCH_BUCKETS: Final = (1, 2, 4, 8, 16, 32, 64, 128)
_FACTOR_BUCKETS: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 5.0)
# Often enough to meet what holds a loop up for a tenth of a second, and no load: a timer costs some microseconds.
_LAG_SECONDS: Final = 0.25


def counter(telemetry: Telemetry, name: str, description: str, **labels: Iterable[str]) -> Counter:
    """A counter with one label, and all the values that it may have: each is there from the start, at 0.

    A series that is there only from its first count on has no rate for that one.
    """
    [(label, values)] = labels.items()
    made = Counter(name, description, [label], registry=telemetry.registry)
    for value in values:
        made.labels(value)
    return made


def cancel_to_idle(telemetry: Telemetry, service: str) -> Histogram:
    """How long work goes on that nobody wants any more."""
    described = "From a caller's leaving to the end of the work for it."
    return _histogram(telemetry, "parley_cancel_to_idle_seconds", described, _SHORT_BUCKETS, service)


def real_time_factor(telemetry: Telemetry, service: str) -> Histogram:
    """Work over sound: below 1 an engine is faster than speech."""
    described = "Seconds of an engine's work for each second of sound that it heard or made."
    return _histogram(telemetry, "parley_real_time_factor", described, _FACTOR_BUCKETS, service)


def batch_size(telemetry: Telemetry, service: str) -> Histogram:
    """How much an engine does together."""
    described = "Pieces of work that the engine had in hand as it began another, that one included."
    return _histogram(telemetry, "parley_batch_size", described, _BATCH_BUCKETS, service)


def queue_depth(telemetry: Telemetry, service: str) -> Gauge:
    """How much waits for an engine."""
    described = "Pieces of work that wait for the engine now."
    return Gauge("parley_queue_depth", described, ["service"], registry=telemetry.registry).labels(service)


@contextmanager
def loop_lag(telemetry: Telemetry, service: str, clock: Callable[[], float] = time.monotonic) -> Iterator[None]:
    """Measure in this block, four times a second, how late the event loop comes to a timer; `clock` is in seconds."""
    described = "How late the event loop came to a timer: what everything that it does had to wait."
    lag = _histogram(telemetry, "parley_loop_lag_seconds", described, _SHORT_BUCKETS, service)
    with loop_timer(_LAG_SECONDS, lambda _, late_seconds: lag.observe(late_seconds), clock):
        yield


class Workload:
    """The queue before an engine, and what it has in hand. Any thread may call it."""

    def __init__(self, telemetry: Telemetry, service: str, clock: Callable[[], float] = time.monotonic) -> None:
        """Register `parley_queue_depth` and `parley_batch_size`; `clock` is in seconds."""
        self._depth = queue_depth(telemetry, service)
        self._batch = batch_size(telemetry, service)
        self._lock = threading.Lock()
        self._in_hand = 0
        self._clock = clock
        self._since: dict[Place, float] = {}
        """Pieces that wait, with the time since when, the eldest first."""

    @property
    def wait_seconds(self) -> float:
        """How long the piece has waited that waits longest; 0: none waits."""
        with self._lock:
            return self._clock() - next(iter(self._since.values())) if self._since else 0.0

    @contextmanager
    def place(self) -> Iterator[Place]:
        """A place for one piece of work, given up when the block is left, however far it came."""
        place = Place(self)
        try:
            yield place
        finally:
            place.leave()

    def waits(self, place: Place) -> None:
        """A piece waits from now on."""
        with self._lock:
            self._since[place] = self._clock()
        self._depth.inc()

    def waits_no_more(self, place: Place) -> None:
        """It does not any more."""
        with self._lock:
            del self._since[place]
        self._depth.dec()

    def begins(self) -> None:
        """The engine takes a piece in hand."""
        with self._lock:
            self._in_hand += 1
            self._batch.observe(self._in_hand)

    def ends(self) -> None:
        """The engine is done with one."""
        with self._lock:
            self._in_hand -= 1


class _At(enum.Enum):
    """How far a piece of work came."""

    HOME = enum.auto()
    QUEUE = enum.auto()
    ENGINE = enum.auto()


class Place:
    """Where one piece of work is."""

    def __init__(self, workload: Workload) -> None:
        """Not asked for yet."""
        self._workload = workload
        self._at = _At.HOME

    def wait(self) -> None:
        """It waits for the engine."""
        if self._at is _At.HOME:
            self._at = _At.QUEUE
            self._workload.waits(self)

    def begin(self) -> None:
        """The engine is at it; it need not have waited."""
        if self._at is _At.ENGINE:
            return
        self._leave_queue()
        self._at = _At.ENGINE
        self._workload.begins()

    def leave(self) -> None:
        """It is done, or nobody wants it any more."""
        self._leave_queue()
        if self._at is _At.ENGINE:
            self._workload.ends()
        self._at = _At.HOME

    def _leave_queue(self) -> None:
        if self._at is _At.QUEUE:
            self._workload.waits_no_more(self)


def exemplar(traceparent: str) -> dict[str, str] | None:
    """What leads from a measurement to the trace that a W3C traceparent names; None: that is not sampled, or none."""
    return exemplar_of(trace.get_current_span(context_of(traceparent)))


def exemplar_of(span: trace.Span) -> dict[str, str] | None:
    """The same for a measurement that was made in `span`."""
    context = span.get_span_context()
    return {"trace_id": f"{context.trace_id:032x}"} if context.is_valid and context.trace_flags.sampled else None


def _histogram(
    telemetry: Telemetry, name: str, description: str, buckets: tuple[float, ...], service: str
) -> Histogram:
    made = Histogram(name, description, ["service"], buckets=buckets, registry=telemetry.registry)
    return made.labels(service)
