"""What operators are told of sessions: how many there are, how many there may be, and how many are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import Gauge

from serving.metrics import counter

if TYPE_CHECKING:
    from serving.telemetry import Telemetry


class SessionMetrics:
    """Counts sessions."""

    def __init__(self, telemetry: Telemetry) -> None:
        """Register the metrics."""
        registry = telemetry.registry
        self._active = Gauge("parley_sessions_active", "Sessions now.", registry=registry)
        self._most = Gauge("parley_sessions_max", "Sessions that are taken at once.", registry=registry)
        self._refused = counter(
            telemetry,
            "parley_sessions_refused",
            "Sessions that were not let in.",
            reason=("limit", "lag", "gateway", "asr", "llm", "tts"),
        )

    def began(self) -> None:
        """Count a session."""
        self._active.inc()

    def ended(self) -> None:
        """Count a session off."""
        self._active.dec()

    def refused(self, reason: str) -> None:
        """Count a session that was not let in: by a number ("limit"), the loop's "lag", or the part that is full."""
        self._refused.labels(reason).inc()

    def capacity(self, sessions: int) -> None:
        """Tell how many sessions there may be, which changes where no number was set."""
        self._most.set(sessions)
