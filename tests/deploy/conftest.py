"""What is deployed: where its files are, and what the processes are by their own configuration."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from asr_server.config import AsrConfig
from edge_gateway.config import GatewayConfig
from llm_server.config import LlmConfig
from parley._variables import PORTS
from parley_cli.processes import ASR, GATEWAY, LLM, TTS, Process
from serving.config import settings_of
from tts_server.config import TtsConfig


@dataclass(frozen=True, slots=True)
class Deployed:
    """A process as images, compose and manifests must have it."""

    process: Process
    config: type[object]

    @property
    def ports(self) -> set[int]:
        """Those that it binds by default."""
        return {PORTS[name] for name in self.process.variables}

    @property
    def variables(self) -> set[str]:
        """Those that it reads."""
        return {each.variable for each in settings_of(self.config)} | {"PARLEY_LOG_LEVEL", "PARLEY_ENVIRONMENT"}


DEPLOYED: Final = {
    "gateway": Deployed(GATEWAY, GatewayConfig),
    "asr": Deployed(ASR, AsrConfig),
    "llm": Deployed(LLM, LlmConfig),
    "tts": Deployed(TTS, TtsConfig),
}
"""By the names that they have wherever they are deployed."""


@pytest.fixture(scope="session")
def root() -> Path:
    """Folder of the repository."""
    return Path(__file__).resolve().parents[2]
