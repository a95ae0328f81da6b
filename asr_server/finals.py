"""The words of a turn that is over, or why it was none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asr_server.hallucination_filter import is_credible
from parley import asr
from parley.errors import ParleyError

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from asr_server.endpointing.endpointer import Ended
    from asr_server.engine import Transcript
    from asr_server.pauses import Pause
    from asr_server.scheduler import Result
    from asr_server.transcriber import Transcriber
    from asr_server.turn_telemetry import TurnTelemetry

    Audio = Callable[[], NDArray[np.float32]]
    """Sound that most turns do not need: their words were known before they were over."""


class Finals:
    """Finds the words of one stream's turns."""

    def __init__(self, transcriber: Transcriber, telemetry: TurnTelemetry, language: str) -> None:
        """Record times with `telemetry`; `language` is that of words whose own the engine does not find out."""
        self._transcriber = transcriber
        self._telemetry = telemetry
        self._language = language

    async def answer(
        self, turn: int, ended: Ended, audio: Audio, pause: Pause | None, voice_probability: float
    ) -> asr.EndOfTurn | asr.TurnDiscarded:
        """What is told of `turn`, whose sound `audio` gives; its words are those of `pause`, if it ended in one."""
        decided_ns = self._telemetry.now()
        result, early = await self._words(audio, pause)
        if isinstance(result, ParleyError):
            self._telemetry.lost(turn, ended, decided_ns, result)
            return _discarded(turn, ended, asr.DiscardReason.ENGINE_FAILED)
        text = result.transcript.text
        if not text:
            return _discarded(turn, ended, asr.DiscardReason.NO_WORDS)
        if not is_credible(text, ended.voiced_seconds, voice_probability):
            return _discarded(turn, ended, asr.DiscardReason.NOISE)
        timings = self._telemetry.ended(turn, ended, result, decided_ns, early=early)
        return self._end_of_turn(turn, ended, result.transcript, timings)

    async def _words(self, audio: Audio, pause: Pause | None) -> tuple[Result | ParleyError, bool]:
        """The words, and whether they were known before the turn was over; or why the engine failed, asked twice."""
        early = pause is not None and pause.result.done()
        result = await (self._transcriber.final(audio()) if pause is None else pause.result)
        if not isinstance(result, ParleyError):
            return result, early
        return await self._transcriber.final(audio()), False

    def _end_of_turn(self, turn: int, ended: Ended, heard: Transcript, timings: asr.Timings) -> asr.EndOfTurn:
        first = ended.first_sample
        return asr.EndOfTurn(
            turn=turn,
            text=heard.text,
            first_sample=first,
            end_sample=ended.end_sample,
            speech_end_sample=ended.speech_end_sample,
            reason=ended.reason,
            timings=timings,
            voiced_ms=round(ended.voiced_seconds * 1000),
            words=tuple(
                asr.Word(word.text, first + word.first_sample, first + word.end_sample, word.confidence)
                for word in heard.words
            ),
            language=heard.language or self._language,
            language_confidence=heard.language_confidence,
        )


def _discarded(turn: int, ended: Ended, reason: asr.DiscardReason) -> asr.TurnDiscarded:
    return asr.TurnDiscarded(turn, reason, ended.first_sample, ended.end_sample)
