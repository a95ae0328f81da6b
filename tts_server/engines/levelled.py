"""An engine whose voices all have the same loudness; knows nothing of how they are made."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from parley.audio import to_float32, to_s16le
from tts_server.engine import Audio, SpeechRequest, Voice, WordMark
from tts_server.engines.dynamics import Dynamics
from tts_server.engines.loudness import LEVEL_DB, gain_of, sample_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tts_server.engine import Engine


class LevelledEngine:
    """Another engine, with a gain for each voice and dynamics behind it."""

    def __init__(self, engine: Engine, ratio: float) -> None:
        """Let `engine` speak, and compress by `ratio`; 1: not at all."""
        self._engine = engine
        self._ratio = ratio
        self._gains: dict[str, float] = {}

    @property
    def name(self) -> str:
        """Name of the engine."""
        return self._engine.name

    @property
    def parallel(self) -> int:
        """As many texts at once as the engine speaks."""
        return self._engine.parallel

    def load(self) -> tuple[Voice, ...]:
        """Load the engine, and measure its first voice; the others are measured when they are first asked for.

        Raises:
            Unavailable: something is missing; the message says what to do.
        """
        voices = self._engine.load()
        self._gain(voices[0], threading.Event())
        return tuple(replace(each, fingerprint=f"{each.fingerprint} {LEVEL_DB} {self._ratio}") for each in voices)

    def speak(self, request: SpeechRequest, stop: threading.Event) -> Iterator[Audio | WordMark]:
        """Sound and marks of a text.

        Raises:
            EngineFailed: the engine failed.
        """
        gain = np.float32(self._gain(request.voice, stop))
        dynamics = Dynamics(request.voice.sample_rate_hz, self._ratio)
        for event in self._engine.speak(request, stop):
            if isinstance(event, WordMark):
                yield event
            elif len(ready := dynamics.push(to_float32(event.pcm) * gain)):
                yield Audio(to_s16le(ready))
        if not stop.is_set() and len(rest := dynamics.finish()):
            yield Audio(to_s16le(rest))

    def _gain(self, voice: Voice, stop: threading.Event) -> float:
        """What the voice is multiplied by, measured when it is asked for first."""
        known = self._gains.get(voice.name)
        if known is not None:
            return known
        said = SpeechRequest(sample_of(voice.language), voice, 1.0)
        pcm = b"".join(event.pcm for event in self._engine.speak(said, stop) if isinstance(event, Audio))
        if stop.is_set():
            # It was not heard to the end.
            return 1.0
        gain = gain_of(to_float32(pcm), voice.sample_rate_hz, self._ratio) or 1.0
        self._gains[voice.name] = gain
        return gain
