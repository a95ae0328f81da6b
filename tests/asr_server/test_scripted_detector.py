"""The scripted engine's detectors: both hear the level, and one has Silero compute as well, for a true load."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from asr_server.config import AsrConfig
from asr_server.engines import open_engine
from asr_server.engines.scripted import ComputingVad
from asr_server.engines.silero import SileroVad, load_silero
from serving.config import read

if TYPE_CHECKING:
    from numpy.typing import NDArray

LOUD = np.full(512, 0.3, dtype=np.float32)
QUIET = np.zeros(512, dtype=np.float32)


@pytest.mark.parametrize("detector", ["level", "silero"])
async def test_a_tone_is_voice_to_either(detector: str) -> None:
    engine = open_engine(read(AsrConfig, {"PARLEY_ASR_ENGINE": "scripted", "PARLEY_SCRIPTED_ASR_VAD": detector}))
    engine.load()
    vad = engine.vad()
    assert await vad.probabilities(np.stack([QUIET, LOUD, QUIET])) == [0.0, 1.0, 0.0]
    assert isinstance(vad, ComputingVad) is (detector == "silero")


async def test_silero_computes_every_window() -> None:
    silero = load_silero()

    class Watched(SileroVad):
        """The detector, and how often it was asked."""

        heard_windows = 0

        async def probabilities(self, windows: NDArray[np.float32]) -> list[float]:
            self.heard_windows += len(windows)
            return await super().probabilities(windows)

        def take_back(self) -> None:
            self.heard_windows -= len(self.windows)
            super().take_back()

    watched = Watched(silero)
    vad = ComputingVad(watched)
    assert await vad.probabilities(np.stack([LOUD, QUIET, LOUD])) == [1.0, 0.0, 1.0]
    assert watched.heard_windows == 3
    assert watched.h.any()
    vad.take_back()
    assert watched.heard_windows == 0
    assert not watched.h.any()
