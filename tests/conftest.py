"""What every test may ask for."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest

# They need engines that weigh gigabytes, or programs that are built for many minutes, or install images: `make
# test-engines`, `make test-observability` and `make test-deploy` provide those, and name the folder.
collect_ignore = ["deployed", "observability", *([] if importlib.util.find_spec("vllm") else ["engines"])]

# A server of models that happens to run on this machine is no part of any test.
os.environ.setdefault("PARLEY_LLM_DISCOVER", "off")

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def speech_dir() -> Path:
    """Folder of real recordings: `NAME.flac`, and `NAME.txt` with the words where there are any."""
    folder = Path(os.environ.get("PARLEY_TEST_SPEECH", REPOSITORY.parent / "shared" / "speech"))
    if not folder.is_dir():
        pytest.fail(f"{folder}: no recordings there; name their folder in PARLEY_TEST_SPEECH")
    return folder
