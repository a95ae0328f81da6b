"""An engine that hums a tone as long as the text, after a chosen delay: for tests and load."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import numpy as np

from tts_server.engine import Audio, SpeechRequest, Voice, WordMark

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator

_RATE_HZ: Final = 24_000
_TONE_HZ: Final = 220
_LEVEL: Final = 6_000
_CHUNK_SECONDS: Final = 0.2
_WORD = re.compile(r"\S+")


class ScriptedEngine:
    """Needs no library."""

    def __init__(self, delay_seconds: float, character_seconds: float) -> None:
        """Begin each text after `delay_seconds`; a character lasts `character_seconds`."""
        self._delay_seconds = delay_seconds
        self._character_seconds = character_seconds
        # A whole number of periods, so that slices join without a click.
        seconds = np.arange(_RATE_HZ) / _RATE_HZ
        self._tone = (np.sin(2 * np.pi * _TONE_HZ * seconds) * _LEVEL).astype("<i2").tobytes()

    @property
    def name(self) -> str:
        """Name of the engine."""
        return "scripted"

    @property
    def parallel(self) -> int:
        """One thread does for all: a tone is only sliced."""
        return 1

    def load(self) -> tuple[Voice, ...]:
        """The one voice."""
        return (Voice("tone", "en", "A steady tone as long as the text", _RATE_HZ),)

    def speak(self, request: SpeechRequest, stop: threading.Event) -> Iterator[Audio | WordMark]:
        """Tone and evenly spaced marks."""
        if self._delay_seconds and stop.wait(self._delay_seconds):
            return
        per_character = self._character_seconds * _RATE_HZ / request.speed
        for word in _WORD.finditer(request.text):
            yield WordMark(word.start(), word.end(), round(word.start() * per_character))
        left = round(len(request.text) * per_character) * 2
        chunk = round(_CHUNK_SECONDS * _RATE_HZ) * 2
        place = 0
        while left and not stop.is_set():
            size = min(left, chunk, len(self._tone) - place)
            yield Audio(self._tone[place : place + size])
            place = (place + size) % len(self._tone)
            left -= size
