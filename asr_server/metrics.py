"""What the ASR server counts, for all streams."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge

from serving import metrics

if TYPE_CHECKING:
    from asr_server.scheduler import Scheduler
    from serving.telemetry import Telemetry


class AsrMetrics:
    """The server's own metrics, registered once."""

    def __init__(self, telemetry: Telemetry, scheduler: Scheduler) -> None:
        """Register them with `telemetry`, and watch what `scheduler` has the engine do."""
        self.final_seconds = telemetry.histogram(
            "parley_asr_server_final_seconds", "From the server's decision that a turn is over to its words."
        )
        self.streams = Gauge("parley_asr_streams_active", "Streams now.", registry=telemetry.registry)
        self.unknown_requests = Counter(
            "parley_unknown_requests",
            "Requests of a kind that this version does not know.",
            registry=telemetry.registry,
        )
        self.engine_failures = metrics.counter(
            telemetry,
            "parley_asr_engine_failures",
            "Sounds that the engine failed on, by what was asked.",
            asked=("final", "pause", "partial", "turn_model"),
        )
        self._batch_size = metrics.batch_size(telemetry, "asr")
        self._real_time_factor = metrics.real_time_factor(telemetry, "asr")
        metrics.queue_depth(telemetry, "asr").set_function(lambda: scheduler.waiting)
        scheduler.watch(self._worked)

    def _worked(self, jobs: int, audio_seconds: float, work_seconds: float) -> None:
        """The engine was called once, for so many jobs with so much sound in all."""
        self._batch_size.observe(jobs)
        if audio_seconds > 0:
            self._real_time_factor.observe(work_seconds / audio_seconds)
