"""What a Parley consists of: its processes, their services and their ports."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Process:
    """One process of Parley."""

    module: str
    """What `python -m` runs."""
    service: str
    """The service that it must report as SERVING."""
    port_variables: tuple[tuple[str, int], ...]
    """Variables of the ports that it binds, gRPC first, with their defaults."""

    def ports(self) -> tuple[tuple[str, int], ...]:
        """The ports that it will bind, by variable."""
        return tuple((name, int(os.environ.get(name) or default)) for name, default in self.port_variables)


PROCESSES: Final = (
    Process("asr_server", "parley.v1.AsrService", (("PARLEY_ASR_PORT", 50051), ("PARLEY_ASR_METRICS_PORT", 9101))),
    Process("llm_server", "parley.v1.LlmService", (("PARLEY_LLM_PORT", 50052), ("PARLEY_LLM_METRICS_PORT", 9102))),
    Process("tts_server", "parley.v1.TtsService", (("PARLEY_TTS_PORT", 50053), ("PARLEY_TTS_METRICS_PORT", 9103))),
    Process(
        "edge_gateway",
        "parley.v1.ConversationService",
        (("PARLEY_GATEWAY_GRPC_PORT", 50050), ("PARLEY_GATEWAY_PORT", 8080)),
    ),
)
