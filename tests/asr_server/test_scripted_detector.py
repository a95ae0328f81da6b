"""The scripted engine's detectors: both hear the level, and one has Silero compute as well, for a true load."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest

from asr_server.config import AsrConfig
from asr_server.engines import open_engine
from asr_server.engines.scripted import ComputingVad
from asr_server.engines.silero import load_silero
from serving.config import read

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

LOUD = np.full(512, 0.3, dtype=np.float32)
QUIET = np.zeros(512, dtype=np.float32)


@pytest.mark.parametrize("detector", ["level", "silero"])
def test_a_tone_is_voice_to_either(detector: str) -> None:
    engine = open_engine(read(AsrConfig, {"PARLEY_ASR_ENGINE": "scripted", "PARLEY_SCRIPTED_ASR_VAD": detector}))
    engine.load()
    vad = engine.vad()
    assert [vad.probability(window) for window in (QUIET, LOUD, QUIET)] == [0.0, 1.0, 0.0]
    assert isinstance(vad, ComputingVad) is (detector == "silero")


def test_silero_computes_every_window() -> None:
    network = load_silero()

    class Watched:
        """The network, and how often it was run."""

        runs = 0

        def run(self, *arguments: object) -> Any:  # noqa: ANN401 - as it comes from there
            self.runs += 1
            return network.run(*arguments)

    watched = Watched()
    vad = ComputingVad(cast("InferenceSession", watched))
    for window in (LOUD, QUIET, LOUD):
        vad.probability(window)
    assert watched.runs == 3
