"""The README's table of settings is the configuration's own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from asr_server.config import AsrConfig
from edge_gateway.config import GatewayConfig
from llm_server.config import LlmConfig
from parley._variables import KNOWN
from serving.config import settings_of
from tts_server.config import TtsConfig

if TYPE_CHECKING:
    from pathlib import Path

# Read elsewhere than in a configuration class.
OTHERS = {
    "PARLEY_LIBOPUS",
    "PARLEY_TEMPO_URL",
    "PARLEY_LLM_DISCOVER",
    "PARLEY_LLAMACPP_MODEL",
    "PARLEY_LOG_LEVEL",
    "PARLEY_TRACE_CONTENT",
    "PARLEY_ENVIRONMENT",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
}

# What a Parley never reads: Parley's own tests do.
TESTS = {"PARLEY_CHROMIUM", "PARLEY_FAKETIME", "PARLEY_PARTS", "PARLEY_TEST_MODELS", "PARLEY_TEST_SPEECH"}
CONFIGS: tuple[type[object], ...] = (GatewayConfig, AsrConfig, LlmConfig, TtsConfig)


def test_what_is_told_from_a_misspelt_variable_is_what_is_read() -> None:
    read = {setting.variable for config in CONFIGS for setting in settings_of(config)}
    assert read | {name for name in OTHERS if name.startswith("PARLEY_")} | TESTS == KNOWN


def test_every_setting_is_in_the_readme_with_its_default_and_no_other(root: Path) -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \| (.*?) \|", (root / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    documented = {name: default.strip("` ") for name, default in rows}
    known = {setting.variable: setting for config in CONFIGS for setting in settings_of(config)}
    assert set(documented) - OTHERS == set(known)
    for name, setting in known.items():
        default = f"{setting.default:g}" if isinstance(setting.default, float) else str(setting.default)
        default = default.lower() if isinstance(setting.default, bool) else default
        default = "" if setting.default is None else default
        assert documented[name] == (default if len(default) <= 40 else "")
