"""What the ASR server counts, for all streams."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge

if TYPE_CHECKING:
    from serving.telemetry import Telemetry


class AsrMetrics:
    """The server's own metrics, registered once."""

    def __init__(self, telemetry: Telemetry) -> None:
        """Register them with `telemetry`."""
        self.final_seconds = telemetry.histogram("parley_asr_final_seconds", "From the end of a turn to its words.")
        self.streams = Gauge("parley_asr_streams_active", "Streams now.", registry=telemetry.registry)
        self.unknown_requests = Counter(
            "parley_unknown_requests",
            "Requests of a kind that this version does not know.",
            registry=telemetry.registry,
        )
        self.engine_failures = Counter(
            "parley_asr_engine_failures",
            "Sounds that the engine failed on, by what was asked: final, pause, partial, turn_model.",
            ["asked"],
            registry=telemetry.registry,
        )
