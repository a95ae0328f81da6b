"""What operators are told of session actions: how many, of what kind, and what became of reminders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from serving.metrics import counter

if TYPE_CHECKING:
    from serving.telemetry import Telemetry


class ActionMetrics:
    """Metrics of session actions."""

    def __init__(self, telemetry: Telemetry) -> None:
        """Register the metrics."""
        self._actions = counter(
            telemetry,
            "parley_session_actions",
            "What replies changed or began in their sessions.",
            action=("speed", "gain_db", "set_reminder", "cancel_reminder"),
        )
        self._reminders = counter(
            telemetry,
            "parley_reminders",
            "Reminders by what became of them.",
            outcome=("said", "cancelled", "lost"),
        )

    def action(self, name: str) -> None:
        """Count something that was changed or begun."""
        self._actions.labels(name).inc()

    def reminder(self, outcome: str) -> None:
        """Count a reminder that is over: "said", "cancelled", or "lost" with its session."""
        self._reminders.labels(outcome).inc()
