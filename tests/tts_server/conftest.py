"""Engines that take seconds to load, and more on a busy machine: once for all tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from serving.config import read
from tts_server.config import TtsConfig
from tts_server.engines import open_engine

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator

    from tts_server.engine import Audio, Engine, SpeechRequest, Voice, WordMark


class LoadedEngine:
    """An engine that is loaded, and need not be again."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.name = engine.name
        self.parallel = engine.parallel
        self.voices = engine.load()

    def load(self) -> tuple[Voice, ...]:
        return self.voices

    def speak(self, request: SpeechRequest, stop: threading.Event) -> Iterator[Audio | WordMark]:
        return self._engine.speak(request, stop)


@pytest.fixture(scope="session")
def default_engine() -> LoadedEngine:
    """The engine of who configures nothing."""
    return LoadedEngine(open_engine(read(TtsConfig, {})))
