"""What the TTS server counts, for all replies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import Gauge

from parley.audio import SAMPLE_BYTES
from serving import metrics

if TYPE_CHECKING:
    from serving.telemetry import Telemetry
    from tts_server.engine import Voice


class TtsMetrics:
    """The server's own metrics, registered once."""

    def __init__(self, telemetry: Telemetry) -> None:
        """Register them with `telemetry`."""
        self.first_audio = telemetry.histogram(
            "parley_tts_server_ttfa_seconds", "From a sentence's text to its first sound."
        )
        self.calls = Gauge("parley_tts_calls_active", "Replies being spoken.", registry=telemetry.registry)
        self.cache = metrics.counter(
            telemetry, "parley_tts_cache", "Sentences that the cache was asked for.", result=("hit", "miss")
        )
        self.cancel_to_idle = metrics.cancel_to_idle(telemetry, "tts")
        self.workload = metrics.Workload(telemetry, "tts")
        self._real_time_factor = metrics.real_time_factor(telemetry, "tts")

    def spoken(self, voice: Voice, pcm_bytes: int, work_seconds: float) -> None:
        """The engine has spoken a text to its end."""
        if pcm_bytes:
            self._real_time_factor.observe(work_seconds * voice.sample_rate_hz * SAMPLE_BYTES / pcm_bytes)
