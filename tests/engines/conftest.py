"""What the tests of the large engines share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.engines.models import make_llama

# A vLLM on the CPU asks for gigabytes unless it is told how much; nothing is fetched, and nothing is reported home.
ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "VLLM_LOGGING_LEVEL": "ERROR",
}
os.environ.update(ENVIRONMENT)


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama."""
    return make_llama(tmp_path_factory.mktemp("llama"))


@pytest.fixture(scope="session")
def models_dir() -> Path:
    """Small models that were trained: whisper-tiny-commands and llama-tiny-chat."""
    default = Path(__file__).parents[3] / "shared" / "models"
    folder = Path(os.environ.get("PARLEY_TEST_MODELS", default))
    if not folder.is_dir():
        pytest.fail(f"{folder}: no models there; name their folder in PARLEY_TEST_MODELS")
    return folder
