"""What a probability means beside the words, and how many pauses a turn model is asked about at once."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest

from asr_server.endpointing.completeness import Completeness
from asr_server.endpointing.config import EndpointingConfig
from asr_server.endpointing.turn_cost import measured_seconds, pays
from asr_server.endpointing.turn_model import Bands, Heard, TurnDetector, together
from parley.errors import InvalidInput
from serving.threads import Worker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

SOUND = np.zeros(16_000, dtype=np.float32)
OVER, UNSURE, NOT_OVER = Heard.OVER, Heard.UNSURE, Heard.NOT_OVER


@pytest.mark.parametrize(
    ("probability", "heard"),
    [(1.0, OVER), (0.9, OVER), (0.89, UNSURE), (0.21, UNSURE), (0.2, NOT_OVER), (0.0, NOT_OVER)],
)
def test_a_probability_lies_in_one_of_three_bands(probability: float, heard: Heard) -> None:
    assert Bands().heard(probability) is heard


def test_bands_that_overlap_are_refused_with_both_names() -> None:
    with pytest.raises(InvalidInput, match="PARLEY_ASR_TURN_NOT_OVER must be less than PARLEY_ASR_TURN_THRESHOLD"):
        Bands(over=0.5, not_over=0.5)


@pytest.mark.parametrize("words", [None, *Completeness])
@pytest.mark.parametrize("heard", [None, UNSURE])
def test_a_model_that_is_not_sure_leaves_it_to_the_words(words: Completeness | None, heard: Heard | None) -> None:
    assert together(words, heard) is words


@pytest.mark.parametrize("heard", list(Heard))
@pytest.mark.parametrize("words", [Completeness.UNFINISHED, Completeness.DICTATING])
def test_a_model_is_not_believed_against_an_open_word_or_digits(words: Completeness, heard: Heard) -> None:
    assert together(words, heard) is words


@pytest.mark.parametrize(
    ("words", "over", "not_over"),
    [
        (None, Completeness.SOUNDS_OVER, Completeness.SOUNDS_OPEN),
        (Completeness.SURE, Completeness.SURE, Completeness.HESITANT),
        (Completeness.FINISHED, Completeness.OVER, Completeness.HESITANT),
        (Completeness.HESITANT, Completeness.OVER, Completeness.HESITANT),
    ],
)
def test_a_model_that_is_sure_is_believed(
    words: Completeness | None, over: Completeness, not_over: Completeness
) -> None:
    assert together(words, OVER) is over
    assert together(words, NOT_OVER) is not_over


class Gated:
    """A turn model that answers when it is let, and counts what it was asked."""

    def __init__(self) -> None:
        self.let = threading.Event()
        self.begun = threading.Semaphore(0)
        self.asked = 0

    def load(self) -> None:
        """Nothing is to be loaded."""

    def probability(self, audio: NDArray[np.float32]) -> float:
        self.asked += 1
        self.begun.release()
        self.let.wait()
        return 1.0


@pytest.fixture
def model() -> Iterator[Gated]:
    made = Gated()
    yield made
    made.let.set()


@pytest.fixture
def worker(model: Gated) -> Iterator[Worker]:
    made = Worker("turns")
    yield made
    model.let.set()
    made.close()


async def test_pauses_beyond_what_is_answered_in_good_time_are_left_to_the_words(model: Gated, worker: Worker) -> None:
    detector = TurnDetector(model, worker=worker)
    detector.measured(0.25)
    async with asyncio.TaskGroup() as tasks:
        first, second = (tasks.create_task(detector.heard(SOUND)) for _ in range(2))
        await asyncio.to_thread(model.begun.acquire)
        assert await detector.heard(SOUND) is None, "two of a quarter of a second fill half a second"
        model.let.set()
    assert (first.result(), second.result()) == (OVER, OVER)
    assert await detector.heard(SOUND) is OVER, "there is room again"


async def test_a_question_that_is_taken_back_is_never_computed_and_leaves_its_place(
    model: Gated, worker: Worker
) -> None:
    detector = TurnDetector(model, worker=worker)
    detector.measured(0.25)
    async with asyncio.TaskGroup() as tasks:
        first, second = (tasks.create_task(detector.heard(SOUND)) for _ in range(2))
        await asyncio.to_thread(model.begun.acquire)
        second.cancel()
        await asyncio.wait([second])
        third = tasks.create_task(detector.heard(SOUND))
        model.let.set()
    assert (first.result(), third.result()) == (OVER, OVER)
    assert model.asked == 2


async def test_a_model_slower_than_any_wait_is_asked_about_one_pause_at_a_time(model: Gated, worker: Worker) -> None:
    detector = TurnDetector(model, worker=worker)
    detector.measured(3.0)
    model.let.set()
    assert await detector.heard(SOUND) is OVER


async def test_a_detector_without_a_model_hears_nothing(model: Gated, worker: Worker) -> None:
    detector = TurnDetector(model, worker=worker)
    detector.stop()
    assert not detector.listens
    assert await detector.heard(SOUND) is None
    assert not TurnDetector().listens


def test_the_best_of_some_tries_is_what_a_model_takes() -> None:
    times = iter([0.0, 0.5, 1.0, 1.1, 2.0, 2.3, 3.0, 3.4, 4.0, 4.2])
    assert measured_seconds(lambda: None, lambda: next(times)) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("seconds", "cores", "worth_it"), [(0.05, 2, True), (0.05, 1, True), (0.15, 1, False), (0.3, 2, False)]
)
def test_a_model_pays_where_it_takes_less_than_it_saves(seconds: float, cores: int, *, worth_it: bool) -> None:
    assert pays(seconds, cores, EndpointingConfig()) is worth_it


def test_an_answer_that_comes_late_saves_less() -> None:
    quick = EndpointingConfig(heard_over_silence_seconds=0.28)
    assert pays(0.3, 8, quick)
    assert not pays(0.5, 8, quick), "610 ms have passed when it comes"
