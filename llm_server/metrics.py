"""What the LLM server counts, for all replies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry import trace
from prometheus_client import Gauge

from llm_server.engine import ProgressKind
from serving import metrics
from serving.metrics import exemplar_of

if TYPE_CHECKING:
    from llm_server.engine import Progress
    from serving.metrics import Place
    from serving.telemetry import Telemetry


class LlmMetrics:
    """The server's own metrics, registered once."""

    def __init__(self, telemetry: Telemetry) -> None:
        """Register them with `telemetry`."""
        self._first_text = telemetry.histogram("parley_llm_server_ttft_seconds", "From the request to the first text.")
        self.calls = Gauge("parley_llm_calls_active", "Replies being written.", registry=telemetry.registry)
        self.workload = metrics.Workload(telemetry, "llm")
        self._cancel_to_idle = metrics.cancel_to_idle(telemetry, "llm")

    def first_text(self, seconds: float) -> None:
        """The reply of this context has its first text, so long after it was asked for."""
        self._first_text.observe(seconds, exemplar_of(trace.get_current_span()))

    def stopped(self, seconds: float) -> None:
        """The engine's work on the reply of this context went on for so long after its caller had left."""
        self._cancel_to_idle.observe(seconds, exemplar_of(trace.get_current_span()))


def follow(place: Place, progress: Progress | None) -> None:
    """Keep a reply's place by what its engine says that it is doing; None: it waits for the caller."""
    match progress and progress.kind:
        case None:
            place.leave()
        case ProgressKind.QUEUED:
            place.wait()
        case ProgressKind.REASONING:
            place.begin()
        case _:
            pass
