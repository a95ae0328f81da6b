"""What transcribes one stream: its recogniser, behind the queue that all streams share.

What the engine fails on is counted and logged, and is no words; it ends no stream.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from asr_server.endpointing.completeness import completeness
from asr_server.endpointing.turn_model import TurnDetector
from asr_server.front_end.front_end import FrontEndConfig
from parley.errors import ParleyError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from asr_server.endpointing.completeness import Completeness
    from asr_server.endpointing.turn_model import Heard
    from asr_server.engine import Engine, Transcript
    from asr_server.scheduler import Result, Scheduler
    from asr_server.turn_telemetry import TurnTelemetry


@dataclass(frozen=True, slots=True)
class Models:
    """What all streams share."""

    engine: Engine
    """Tells voice from silence, and transcribes."""
    scheduler: Scheduler
    """The queue before it."""
    turn_detector: TurnDetector = field(default_factory=TurnDetector)
    """Hears how finished a turn is, where there is a model for it."""
    front_end: FrontEndConfig = field(default_factory=FrontEndConfig)
    """What is done to the sound before."""


class Transcriber:
    """Transcribes one stream's utterances."""

    def __init__(self, models: Models, telemetry: TurnTelemetry, language: str, hints: tuple[str, ...]) -> None:
        """Use the shared engine for `language`; `hints` are words to expect, and failures go to `telemetry`."""
        self._models = models
        self._telemetry = telemetry
        self._language = language
        self._recognizer = models.engine.recognizer(language, hints)
        self.partial_seconds = 0.0
        """The engine's work on the last partial."""

    def expect(self, hints: tuple[str, ...]) -> None:
        """Take other words to expect, from the next utterance on."""
        self._recognizer = self._models.engine.recognizer(self._language, hints)

    async def final(self, audio: NDArray[np.float32]) -> Result | ParleyError:
        """The words of a turn, or why the engine failed on it."""
        return await self._final("final", audio)

    async def pause(self, audio: NDArray[np.float32]) -> Result | ParleyError:
        """The words up to a pause, which may be the turn's, or why the engine failed on them."""
        return await self._final("pause", audio)

    async def partial(self, audio: NDArray[np.float32]) -> str:
        """What seems to be said so far; empty: no words, a later partial took its place, or the engine failed."""
        try:
            result = await self._models.scheduler.partial(self, self._recognizer, audio)
        except ParleyError as error:
            self._telemetry.failed("partial", error)
            return ""
        if result is None:
            return ""
        self.partial_seconds = result.work_seconds
        return result.transcript.text

    def completeness(self, heard: Transcript) -> Completeness:
        """How finished a turn looks by its words."""
        return completeness(heard.text, heard.language or self._language)

    @property
    def listens(self) -> bool:
        """Whether there is a turn model to ask."""
        return self._models.turn_detector.listens

    async def heard(self, audio: NDArray[np.float32]) -> Heard | None:
        """What the turn model makes of the turn's sound so far; None: nothing, or it failed, and the words decide."""
        try:
            return await self._models.turn_detector.heard(audio)
        except ParleyError as error:
            self._telemetry.failed("turn_model", error)
            return None

    async def _final(self, asked: str, audio: NDArray[np.float32]) -> Result | ParleyError:
        try:
            return await self._models.scheduler.final(self._recognizer, audio)
        except ParleyError as error:
            self._telemetry.failed(asked, error)
            return error
