"""An engine that gives the texts it was told to give, after a chosen delay: for tests and load."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING

import numpy as np

from asr_server.engine import Transcript
from asr_server.engines.silero import load_silero

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from asr_server.engine import Vad
    from asr_server.engines.silero import Silero, SileroVad


class ScriptedRecognizer:
    """Gives the texts in turn, one for each utterance."""

    def __init__(self, texts: tuple[str, ...], delay_seconds: float) -> None:
        """Say `texts` over and over."""
        self._texts = itertools.cycle(texts)
        self._delay_seconds = delay_seconds
        self._current = next(self._texts)
        self._samples = 0

    def transcribe(self, audio: NDArray[np.float32], *, final: bool) -> Transcript:
        """The text of this utterance; audio shorter than the last one's begins another utterance."""
        if len(audio) < self._samples:
            self._current = next(self._texts)
        self._samples = len(audio)
        if self._delay_seconds:
            time.sleep(self._delay_seconds)
        words = self._current.split()
        # A partial has the words of about three a second.
        heard = words if final else words[: max(1, len(audio) * 3 // 16_000)]
        return Transcript(" ".join(heard))


class LevelVad:
    """Calls voice whatever is louder than a threshold."""

    def __init__(self, threshold: float = 0.01) -> None:
        """`threshold` is a root mean square, full scale 1."""
        self._power = threshold * threshold

    async def probabilities(self, windows: NDArray[np.float32]) -> list[float]:
        """1 for a loud window, 0 for a quiet one."""
        limit = self._power * windows.shape[1]
        return [1.0 if power > limit else 0.0 for power in np.vecdot(windows, windows).tolist()]

    def take_back(self) -> None:
        """It remembers nothing."""


class ComputingVad:
    """Has Silero compute each window, and says what the level says: a tone is no voice to Silero, and to load it is."""

    def __init__(self, silero: SileroVad) -> None:
        """Have `silero` compute."""
        self._silero = silero
        self._level = LevelVad()

    async def probabilities(self, windows: NDArray[np.float32]) -> list[float]:
        """As the level has it."""
        await self._silero.probabilities(windows)
        return await self._level.probabilities(windows)

    def take_back(self) -> None:
        """Have Silero take its windows back."""
        self._silero.take_back()


class ScriptedEngine:
    """Needs no model."""

    name = "scripted"
    model = ""
    languages: tuple[str, ...] = ("en",)

    def __init__(self, texts: tuple[str, ...], delay_seconds: float, *, computes: bool = False) -> None:
        """Hear `texts`, each after `delay_seconds`; a detector that `computes` takes what Silero takes."""
        self._texts = texts
        self._delay_seconds = delay_seconds
        self._computes = computes
        self._silero: Silero | None = None

    def load(self) -> None:
        """Silero's network, where it is to compute.

        Raises:
            Unavailable: it is not installed.
        """
        if self._computes:
            self._silero = load_silero()

    def recognizer(self, language: str, hints: tuple[str, ...]) -> ScriptedRecognizer:
        """A script from its beginning."""
        return ScriptedRecognizer(self._texts, self._delay_seconds)

    def vad(self) -> Vad:
        """Loud is voice."""
        return LevelVad() if self._silero is None else ComputingVad(self._silero.stream())
