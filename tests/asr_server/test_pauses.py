"""Words and turn model are asked at the same time when a pause begins: whichever answers first is made use of.

The clock is the sound that is sent, and both answer when the test says so.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, nullcontext
from typing import TYPE_CHECKING

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from asr_server.endpointing.endpointer import HOLD_OVER_SAMPLES, WINDOW_SAMPLES
from asr_server.endpointing.turn_model import Bands, Heard, TurnDetector
from asr_server.engine import Transcript
from asr_server.engines.scripted import ScriptedEngine
from asr_server.metrics import AsrMetrics
from asr_server.recognition import Recognition
from asr_server.scheduler import Result, Scheduler
from asr_server.transcriber import Models
from asr_server.turn_telemetry import TurnTelemetry
from parley import asr
from parley.errors import EngineFailed
from serving.telemetry import Telemetry, new_provider
from serving.threads import Worker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractContextManager

    from numpy.typing import NDArray

    from asr_server.engine import Recognizer

LOUD = (np.sin(np.arange(WINDOW_SAMPLES) * 0.3) * 8000).astype("<i2").tobytes()
QUIET = bytes(2 * WINDOW_SAMPLES)
# A pause is looked at after 100 ms of silence: three windows, with what a detector holds over.
LOOKED_AT = 5
STATEMENT, QUESTION = "turn on the lamp.", "what time is it?"


class ScriptedTurnModel(TurnDetector):
    """Answers when it is told to, pause by pause."""

    def __init__(self) -> None:
        super().__init__(bands=Bands())
        self.asked: asyncio.Queue[tuple[NDArray[np.float32], asyncio.Future[Heard]]] = asyncio.Queue()

    @property
    def listens(self) -> bool:
        return True

    async def heard(self, audio: NDArray[np.float32]) -> Heard | None:
        answer: asyncio.Future[Heard] = asyncio.get_running_loop().create_future()
        self.asked.put_nowait((audio, answer))
        return await answer


class ScriptedWords(Scheduler):
    """Transcribes when it is told to, pause by pause."""

    def __init__(self, worker: Worker) -> None:
        super().__init__(worker)
        self.asked: asyncio.Queue[asyncio.Future[Result]] = asyncio.Queue()

    async def final(self, recognizer: Recognizer, audio: NDArray[np.float32]) -> Result:
        answer: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self.asked.put_nowait(answer)
        return await answer


class Rig:
    """One stream, and what its client is told."""

    def __init__(self, tasks: asyncio.TaskGroup, worker: Worker) -> None:
        self.model, self.words = ScriptedTurnModel(), ScriptedWords(worker)
        self.registry = CollectorRegistry()
        telemetry = Telemetry(new_provider("asr"), self.registry)
        models = Models(ScriptedEngine(("",), 0.0), self.words, self.model)
        turns = TurnTelemetry(telemetry, AsrMetrics(telemetry, self.words), "session")
        self.events: list[asr.Event] = []
        self.recognition = Recognition(tasks, models, asr.Config(language="en", partials=False), turns, self)
        self._sample = self._last_voice = 0
        self.sounds: list[NDArray[np.float32]] = []

    async def emit(self, event: asr.Event) -> None:
        # As a real one: the client takes a moment, in which whoever tells it may be called off.
        taken = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(taken.set_result, None)
        await taken
        self.events.append(event)

    def engine_works(self) -> AbstractContextManager[None]:
        return nullcontext()

    async def hear(self, window: bytes, count: int) -> None:
        for _ in range(count):
            self._sample += WINDOW_SAMPLES
            self._last_voice = self._sample if window is LOUD else self._last_voice
            await self.recognition.hear(asr.Audio(window, self._sample - WINDOW_SAMPLES))

    async def pause(self) -> None:
        """Speak, and fall silent for as long as it takes to be asked about."""
        # Not so soon after the turn before that it would seem to have been cut off.
        await self.hear(QUIET, 35)
        await self.hear(LOUD, 25)
        await self.fall_silent()

    async def fall_silent(self) -> None:
        """Be silent until words and model have been asked."""
        await self.hear(QUIET, LOOKED_AT)
        sound, self.heard = await self.model.asked.get()
        self.sounds.append(sound)
        self.words_answer = await self.words.asked.get()

    async def say(self, text: str) -> None:
        """Let the words of the newest pause be known."""
        self.words_answer.set_result(Result(Transcript(text), 0.0, 0.0, 0))
        await done("pause")

    async def judge(self, heard: Heard | Exception) -> None:
        """Let the model answer about the newest pause."""
        if isinstance(heard, Exception):
            self.heard.set_exception(heard)
        else:
            self.heard.set_result(heard)
        await done("turn model")

    async def waited_ms(self) -> float:
        """Stay silent until the turn is over; gives the silence that the endpointer counted."""
        told = len(self.ends)
        while len(self.ends) == told:
            await self.hear(QUIET, 1)
            assert self._sample < 320_000, "the turn does not end"
        return (self.ends[-1].end_sample - self._last_voice + HOLD_OVER_SAMPLES) / 16

    @property
    def ends(self) -> list[asr.EndOfTurn]:
        return [event for event in self.events if isinstance(event, asr.EndOfTurn)]


async def done(name: str) -> None:
    """Wait until the tasks of that name have come to their end."""
    tasks = [task for task in asyncio.all_tasks() if task.get_name() == name]
    if tasks:
        await asyncio.wait(tasks)


@asynccontextmanager
async def stream() -> AsyncIterator[Rig]:
    worker = Worker("test")
    try:
        async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
            yield Rig(tasks, worker)
    finally:
        worker.close()


# What is waited, in milliseconds: never less, and less than a window more.
WAITS = [
    pytest.param(STATEMENT, Heard.OVER, 550, id="a statement that sounds over"),
    pytest.param(STATEMENT, Heard.UNSURE, 660, id="a statement that may be over"),
    pytest.param(STATEMENT, Heard.NOT_OVER, 660, id="a statement that does not sound over"),
    pytest.param(QUESTION, Heard.OVER, 280, id="a question that sounds over"),
    pytest.param(QUESTION, Heard.UNSURE, 280, id="a question that may be over"),
    pytest.param(QUESTION, Heard.NOT_OVER, 660, id="a question that does not sound over"),
    pytest.param("turn on the lamp and", Heard.OVER, 1_500, id="an open word that sounds over"),
    pytest.param("four two seven", Heard.OVER, 2_000, id="digits that sound over"),
]


@pytest.mark.parametrize(("text", "heard", "expected"), WAITS)
@pytest.mark.parametrize("words_first", [True, False], ids=["words first", "model first"])
async def test_words_and_model_give_the_same_wait_whichever_comes_first(
    text: str, heard: Heard, expected: int, *, words_first: bool
) -> None:
    async with stream() as rig:
        await rig.pause()
        if words_first:
            await rig.say(text)
            await rig.judge(heard)
        else:
            await rig.judge(heard)
            await rig.say(text)
        assert expected <= await rig.waited_ms() < expected + 33
        assert rig.ends[0].text == text


async def test_who_was_quick_so_far_is_waited_for_a_little_longer_where_more_is_to_come() -> None:
    async with stream() as rig:
        waits = []
        for _ in range(4):
            await rig.pause()
            await rig.say(STATEMENT)
            await rig.judge(Heard.UNSURE)
            waits.append(await rig.waited_ms())
        assert waits[-1] < 330
        await rig.pause()
        await rig.say(STATEMENT)
        await rig.judge(Heard.NOT_OVER)
        assert 450 <= await rig.waited_ms() < 483
        await rig.pause()
        await rig.say(STATEMENT)
        await rig.judge(Heard.OVER)
        assert await rig.waited_ms() < 330, "what is heard makes nobody wait longer"


async def test_a_model_that_hears_more_to_come_keeps_a_turn_open_whose_words_are_late() -> None:
    async with stream() as rig:
        await rig.pause()
        await rig.judge(Heard.NOT_OVER)
        await rig.hear(QUIET, 14)
        assert not rig.ends
        await rig.say(STATEMENT)
        assert 660 <= await rig.waited_ms() < 693


@pytest.mark.parametrize("heard", [None, Heard.OVER, Heard.UNSURE])
async def test_a_turn_whose_words_are_late_ends_when_it_would_without_a_model(heard: Heard | None) -> None:
    async with stream() as rig:
        await rig.pause()
        if heard is not None:
            await rig.judge(heard)
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(rig.waited_ms())
            tasks.create_task(rig.say(STATEMENT))
        assert 500 <= waiting.result() < 533


async def test_where_the_model_fails_the_words_decide_and_it_is_counted() -> None:
    async with stream() as rig:
        await rig.pause()
        await rig.judge(EngineFailed("no"))
        await rig.say(QUESTION)
        assert await rig.waited_ms() < 313
        assert rig.registry.get_sample_value("parley_asr_engine_failures_total", {"asked": "turn_model"}) == 1


async def test_a_model_that_is_late_is_asked_no_more_and_the_next_pause_is_its_own() -> None:
    async with stream() as rig:
        await rig.pause()
        await rig.say(QUESTION)
        assert await rig.waited_ms() < 313
        await done("turn model")
        assert rig.heard.cancelled()
        await rig.pause()
        await rig.say(STATEMENT)
        await rig.judge(Heard.OVER)
        assert await rig.waited_ms() < 583


async def test_a_model_that_ends_a_turn_is_heard_to_the_end() -> None:
    async with stream() as rig:
        await rig.pause()
        await rig.say(STATEMENT)
        await rig.hear(QUIET, 13)
        assert not rig.ends
        await rig.judge(Heard.OVER)
        assert len(rig.ends) == 1, "more than 550 ms had passed already"
        assert not rig.heard.cancelled()


async def test_who_goes_on_takes_the_question_back_and_is_asked_about_anew() -> None:
    async with stream() as rig:
        await rig.pause()
        await rig.say(STATEMENT)
        await rig.hear(LOUD, 10)
        await done("turn model")
        assert rig.heard.cancelled()
        await rig.fall_silent()
        await rig.say(QUESTION)
        await rig.judge(Heard.NOT_OVER)
        assert await rig.waited_ms() >= 660
        assert len(rig.sounds[1]) > len(rig.sounds[0])


@pytest.mark.parametrize("heard", list(Heard))
async def test_a_noise_without_words_is_no_turn_and_waited_for_no_longer_whatever_it_sounds_like(heard: Heard) -> None:
    async with stream() as rig:
        await rig.pause()
        await rig.judge(heard)
        await rig.say("")
        await rig.hear(QUIET, 11)
        reasons = [event.reason for event in rig.events if isinstance(event, asr.TurnDiscarded)]
        assert reasons == [asr.DiscardReason.NO_WORDS], "500 ms have passed"


async def test_the_model_hears_the_silence_that_is_still_to_come() -> None:
    async with stream() as rig:
        await rig.pause()
        (sound,) = rig.sounds
        # The high-pass rings on for a moment, softly.
        quiet = len(sound) - int(np.flatnonzero(np.abs(sound) > np.abs(sound).max() / 20)[-1]) - 1
        assert quiet == pytest.approx(0.2 * 16_000, abs=WINDOW_SAMPLES)
        await rig.say(QUESTION)
        await rig.waited_ms()
