"""smart-turn with its real weights, on real recordings: what small graphs that stand for it cannot show."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from asr_server.config import AsrConfig
from asr_server.endpointing.turn_model import Bands, Heard
from asr_server.engines import open_turn_model
from asr_server.engines.turn_onnx import OnnxTurnModel
from asr_server.turn_setup import TurnSetup
from parley.audio import read_recording, to_float32
from serving.config import read
from tests.engines.weights import smart_turn

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

RATE_HZ = 16_000
SILENCE = np.zeros(RATE_HZ // 5, dtype=np.float32)
# Three sentences to their ends, and three up to where they go on; all of them far from the bounds.
WHOLE = ("eight-of-spades", "living-room-lamp", "ten-of-clubs")
CUT = (("cold-hearted", 2.88), ("riva-percent", 3.57), ("sb-spk1-snt2", 1.32))


@pytest.fixture(scope="module")
def model() -> OnnxTurnModel:
    made = OnnxTurnModel(str(smart_turn()))
    made.load()
    return made


def spoken(speech_dir: Path, name: str) -> NDArray[np.float32]:
    """A recording from its first voice to its last, by loudness."""
    sound = to_float32(read_recording(speech_dir / f"{name}.flac", RATE_HZ).pcm)
    frames = sound[: len(sound) // 160 * 160].reshape(-1, 160)
    loud = np.flatnonzero((frames**2).mean(axis=1) > 0.003 * (frames**2).mean(axis=1).max())
    return sound[loud[0] * 160 : (loud[-1] + 1) * 160]


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_sentence_is_surely_over(model: OnnxTurnModel, speech_dir: Path, name: str) -> None:
    sound = np.concatenate([spoken(speech_dir, name), SILENCE])
    assert Bands().heard(model.probability(sound)) is Heard.OVER


@pytest.mark.parametrize(("name", "seconds"), CUT)
def test_a_sentence_that_breaks_off_is_surely_not_over(
    model: OnnxTurnModel, speech_dir: Path, name: str, seconds: float
) -> None:
    sound = np.concatenate([spoken(speech_dir, name)[: round(seconds * RATE_HZ)], SILENCE])
    assert Bands().heard(model.probability(sound)) is Heard.NOT_OVER


async def test_it_is_loaded_measured_and_told_of() -> None:
    variables = {"PARLEY_ASR_TURN_MODEL": str(smart_turn()), "PARLEY_ASR_TURN_DETECTION": "on"}
    config = read(AsrConfig, variables)
    turns = TurnSetup(config, open_turn_model(config))
    try:
        await turns.load()
        assert await turns.detector.heard(np.zeros(RATE_HZ, dtype=np.float32)) in list(Heard)
        assert turns.told.startswith("smart-turn-v3.2-cpu.onnx, ")
    finally:
        turns.close()
