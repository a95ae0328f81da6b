"""A turn model is asked where it is wanted and pays; the log and the status say what became of it."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from asr_server.config import AsrConfig
from asr_server.endpointing.turn_model import Heard
from asr_server.engines import open_turn_model
from asr_server.turn_setup import TurnSetup
from parley.errors import InvalidInput, Unavailable
from serving.config import read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

CONFIG = read(AsrConfig, {"PARLEY_ASR_TURN_MODEL": "somewhere/turns.onnx"})
SOUND = np.zeros(16_000, dtype=np.float32)


class Loaded:
    """A turn model that hears every end."""

    loaded = False

    def load(self) -> None:
        self.loaded = True

    def probability(self, audio: NDArray[np.float32]) -> float:
        assert self.loaded
        return 1.0


def taking(seconds: float) -> Callable[[Callable[[], object]], float]:
    """A measurement that finds `seconds`."""

    def measure(work: Callable[[], object]) -> float:
        work()
        return seconds

    return measure


@pytest.fixture
def setup() -> Iterator[Callable[[AsrConfig], TurnSetup]]:
    made: list[TurnSetup] = []

    def make(config: AsrConfig) -> TurnSetup:
        made.append(TurnSetup(config, Loaded()))
        return made[-1]

    yield make
    for each in made:
        each.close()


async def test_a_model_that_pays_is_asked(
    setup: Callable[[AsrConfig], TurnSetup], caplog: pytest.LogCaptureFixture
) -> None:
    turns = setup(CONFIG)
    with caplog.at_level(logging.INFO, "parley.asr"):
        await turns.load(taking(0.02))
    assert await turns.detector.heard(SOUND) is Heard.OVER
    assert turns.told == "turns.onnx, 20 ms a pause"
    assert "turn detection: turns.onnx, 20 ms a pause" in caplog.text


async def test_a_model_that_takes_more_than_it_saves_is_not_asked(
    setup: Callable[[AsrConfig], TurnSetup], caplog: pytest.LogCaptureFixture
) -> None:
    turns = setup(CONFIG)
    with caplog.at_level(logging.INFO, "parley.asr"):
        await turns.load(taking(0.6))
    assert not turns.detector.listens
    assert turns.told == "words; turns.onnx takes 600 ms a pause, which is more than it saves here"
    assert turns.told in caplog.text


async def test_a_model_that_is_asked_for_is_asked_whatever_it_takes(setup: Callable[[AsrConfig], TurnSetup]) -> None:
    turns = setup(replace(CONFIG, turn_detection="on"))
    await turns.load(taking(0.6))
    assert await turns.detector.heard(SOUND) is Heard.OVER


async def test_bands_and_silence_are_those_of_the_settings(setup: Callable[[AsrConfig], TurnSetup]) -> None:
    turns = setup(replace(CONFIG, turn_threshold=1.0, turn_not_over=0.5, turn_silence_ms=280.0))
    await turns.load(taking(0.02))
    assert turns.detector.over_silence_seconds == 0.28
    with pytest.raises(InvalidInput, match="PARLEY_ASR_TURN_NOT_OVER"):
        TurnSetup(replace(CONFIG, turn_threshold=0.1, turn_not_over=0.5), None)


def test_no_model_is_opened_where_none_is_wanted() -> None:
    assert open_turn_model(replace(CONFIG, turn_detection="off")) is None
    assert open_turn_model(replace(CONFIG, turn_model="")) is None


async def test_without_a_model_the_words_decide() -> None:
    turns = TurnSetup(replace(CONFIG, turn_model=""), None)
    await turns.load()
    assert turns.told == "words"
    assert not turns.detector.listens
    turns.close()


async def test_a_model_that_is_not_there_is_an_error_that_names_it() -> None:
    turns = TurnSetup(CONFIG, open_turn_model(CONFIG))
    with pytest.raises(Unavailable, match=r"somewhere/turns\.onnx"):
        await turns.load()
    turns.close()
