"""What many tests of the ASR server need: a real engine, loaded once for a file, and a thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from asr_server.engines.moonshine.engine import MoonshineEngine
from serving.threads import Worker

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def engine() -> MoonshineEngine:
    made = MoonshineEngine()
    made.load()
    return made


@pytest.fixture
def worker() -> Iterator[Worker]:
    made = Worker("test")
    yield made
    made.close()
