"""A counter that is an addition for each packet, and becomes a metric when somebody asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import CollectorRegistry


class SampleCount:
    """Samples from all microphones."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Begin at 0, and tell `registry`'s readers."""
        self.samples = 0
        registry.register(self)

    def collect(self) -> Iterator[CounterMetricFamily]:
        """What Prometheus is told."""
        yield CounterMetricFamily("parley_audio_samples_received", "Samples from microphones, 16 kHz.", self.samples)
