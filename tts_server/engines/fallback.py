"""An engine that stands in for one that cannot be loaded. Knows neither by name."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from parley.errors import Unavailable

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator

    from tts_server.engine import Audio, Engine, SpeechRequest, Voice, WordMark

_log = logging.getLogger("parley.tts")


class FallbackEngine:
    """The first of two, or the second where the first cannot be loaded."""

    def __init__(self, first: Engine, second: Engine) -> None:
        """Load neither yet."""
        self._engine = first
        self._second = second
        self._problem = ""

    @property
    def name(self) -> str:
        """Name of the engine that speaks."""
        return self._engine.name

    @property
    def parallel(self) -> int:
        """How many texts the engine speaks at once."""
        return self._engine.parallel

    @property
    def problem(self) -> str:
        """Why the second speaks; empty: it does not."""
        return self._problem

    def load(self) -> tuple[Voice, ...]:
        """Make one of them ready, and say why if it is the second.

        Raises:
            Unavailable: neither can be loaded.
        """
        try:
            return self._engine.load()
        except Unavailable as error:
            wanted, self._engine = self._engine.name, self._second
            self._problem = f"{self._second.name} speaks, since {wanted} cannot: {error}"
        voices = self._engine.load()
        _log.warning("%s", self._problem)
        return voices

    def speak(self, request: SpeechRequest, stop: threading.Event) -> Iterator[Audio | WordMark]:
        """Sound and marks of a text.

        Raises:
            EngineFailed: the synthesizer failed.
        """
        return self._engine.speak(request, stop)
