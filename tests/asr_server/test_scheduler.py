"""One engine for all: who goes first, and whose partial is never computed."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from asr_server.engine import Job, Transcript
from asr_server.scheduler import Scheduler
from parley.errors import EngineFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from serving.threads import Worker

AUDIO = np.zeros(160, dtype=np.float32)


class Recorder:
    """A recogniser that notes its calls, and waits at its gate."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.began = threading.Event()
        self.calls: list[str] = []

    def named(self, name: str) -> Named:
        return Named(self, name)


class Named:
    def __init__(self, recorder: Recorder, name: str) -> None:
        self._recorder = recorder
        self._name = name

    def transcribe(self, audio: NDArray[np.float32], *, final: bool) -> Transcript:
        assert audio.shape == AUDIO.shape
        self._recorder.began.set()
        self._recorder.gate.wait()
        self._recorder.calls.append(f"{self._name} {'final' if final else 'partial'}")
        return Transcript(self._name)


async def test_finals_come_before_partials_that_came_first(worker: Worker) -> None:
    recorder, scheduler = Recorder(), Scheduler(worker)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(scheduler.final(recorder.named("a"), AUDIO))
        await asyncio.to_thread(recorder.began.wait)
        tasks.create_task(scheduler.partial("b", recorder.named("b"), AUDIO))
        tasks.create_task(scheduler.final(recorder.named("c"), AUDIO))
        await asyncio.sleep(0)
        recorder.gate.set()
    assert recorder.calls == ["a final", "c final", "b partial"]


async def test_a_partial_that_was_overtaken_is_dropped_and_not_computed(worker: Worker) -> None:
    recorder, scheduler = Recorder(), Scheduler(worker)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(scheduler.final(recorder.named("a"), AUDIO))
        await asyncio.to_thread(recorder.began.wait)
        stale = tasks.create_task(scheduler.partial("stream", recorder.named("stale"), AUDIO))
        await asyncio.sleep(0)
        fresh = tasks.create_task(scheduler.partial("stream", recorder.named("fresh"), AUDIO))
        await asyncio.sleep(0)
        recorder.gate.set()
    assert await stale is None
    result = await fresh
    assert result is not None
    assert result.transcript.text == "fresh"
    assert recorder.calls == ["a final", "fresh partial"]


async def test_a_caller_who_leaves_is_passed_over(worker: Worker) -> None:
    recorder, scheduler = Recorder(), Scheduler(worker)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(scheduler.final(recorder.named("a"), AUDIO))
        await asyncio.to_thread(recorder.began.wait)
        leaver = tasks.create_task(scheduler.final(recorder.named("leaver"), AUDIO))
        stayer = tasks.create_task(scheduler.final(recorder.named("stayer"), AUDIO))
        await asyncio.sleep(0)
        leaver.cancel()
        recorder.gate.set()
        assert (await stayer).transcript.text == "stayer"
    assert recorder.calls == ["a final", "stayer final"]


async def test_how_long_is_waited_for_the_engine_is_known_while_it_is_waited(worker: Worker) -> None:
    recorder, scheduler = Recorder(), Scheduler(worker)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(scheduler.final(recorder.named("a"), AUDIO))
        await asyncio.to_thread(recorder.began.wait)
        # A partial may wait: the next one takes its place.
        tasks.create_task(scheduler.partial("p", recorder.named("p"), AUDIO))
        await asyncio.sleep(0)
        assert scheduler.wait_seconds == 0.0
        leaver = tasks.create_task(scheduler.final(recorder.named("leaver"), AUDIO))
        await asyncio.sleep(0)
        between = time.monotonic()
        tasks.create_task(scheduler.final(recorder.named("b"), AUDIO))
        await asyncio.sleep(0)
        asked = time.monotonic()
        assert scheduler.wait_seconds >= asked - between
        leaver.cancel()
        await asyncio.sleep(0)
        waited, now = scheduler.wait_seconds, time.monotonic()
        assert 0.0 < waited <= now - between
        recorder.gate.set()
    assert scheduler.wait_seconds == 0.0


async def test_the_wait_and_the_work_are_told_apart(worker: Worker) -> None:
    recorder, scheduler = Recorder(), Scheduler(worker)
    recorder.gate.set()
    result = await scheduler.final(recorder.named("a"), AUDIO)
    assert result.queue_seconds < 0.5
    assert result.work_seconds < 0.5


async def test_each_call_of_the_engine_is_told_of_with_its_sound_and_its_work(worker: Worker) -> None:
    recorder, scheduler = Recorder(), Scheduler(worker)
    told: list[tuple[int, float, float]] = []
    scheduler.watch(lambda jobs, audio_seconds, work_seconds: told.append((jobs, audio_seconds, work_seconds)))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(scheduler.final(recorder.named("a"), AUDIO))
        await asyncio.to_thread(recorder.began.wait)
        tasks.create_task(scheduler.partial("b", recorder.named("b"), AUDIO))
        await asyncio.sleep(0)
        assert scheduler.waiting == 1
        recorder.gate.set()
    assert scheduler.waiting == 0
    assert [(jobs, audio_seconds) for jobs, audio_seconds, _ in told] == [(1, 0.01), (1, 0.01)]
    assert all(work_seconds >= 0 for _, _, work_seconds in told)


class Together:
    """An engine that notes who was transcribed with whom."""

    def __init__(self, recorder: Recorder, most: int) -> None:
        self.most = most
        self.recorder = recorder
        self.calls: list[list[str]] = []

        self.pairs = threading.Event()
        self.may_pair = threading.Event()
        self.may_pair.set()

    def transcribe_together(self, jobs: Sequence[Job]) -> list[Transcript | Exception]:
        self.calls.append([])
        if len(jobs) > 1:
            self.pairs.set()
            self.may_pair.wait()
        return [self._transcribe(job) for job in jobs]

    def _transcribe(self, job: Job) -> Transcript | Exception:
        said = job.recognizer.transcribe(job.audio, final=job.final)
        self.calls[-1].append(said.text)
        return ValueError("bad") if said.text == "bad" else said


async def test_what_waits_is_done_in_one_call_finals_before_partials(worker: Worker) -> None:
    recorder = Recorder()
    engine = Together(recorder, 3)
    scheduler = Scheduler(worker, engine)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(scheduler.final(recorder.named("first"), AUDIO))
        await asyncio.to_thread(recorder.began.wait)
        partials = [tasks.create_task(scheduler.partial(name, recorder.named(name), AUDIO)) for name in "pq"]
        finals = [tasks.create_task(scheduler.final(recorder.named(name), AUDIO)) for name in "abcd"]
        await asyncio.sleep(0)
        recorder.gate.set()
    assert engine.calls == [["first"], ["a", "b", "c"], ["d"], ["p", "q"]]
    assert [(await final).transcript.text for final in finals] == ["a", "b", "c", "d"]
    assert [result and result.transcript.text for result in [await partial for partial in partials]] == ["p", "q"]


async def test_one_that_fails_fails_alone(worker: Worker) -> None:
    recorder = Recorder()
    scheduler = Scheduler(worker, Together(recorder, 3))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(scheduler.final(recorder.named("first"), AUDIO))
        await asyncio.to_thread(recorder.began.wait)
        good = tasks.create_task(scheduler.final(recorder.named("good"), AUDIO))
        failing = tasks.create_task(failure(scheduler, recorder.named("bad")))
        await asyncio.sleep(0)
        recorder.gate.set()
    assert (await good).transcript.text == "good"
    assert await failing == "bad"


async def failure(scheduler: Scheduler, recognizer: Named) -> str:
    with pytest.raises(EngineFailed, match="bad") as raised:
        await scheduler.final(recognizer, AUDIO)
    return str(raised.value.__cause__)


class Failing:
    def __init__(self, error: Exception) -> None:
        self.error = error

    def transcribe(self, audio: NDArray[np.float32], *, final: bool) -> Transcript:
        raise self.error


@pytest.mark.parametrize("error", [RuntimeError("no memory"), ValueError("no memory"), MemoryError("no memory")])
async def test_what_a_library_says_of_a_sound_is_the_engines_failure_and_the_next_one_is_done(
    worker: Worker, error: Exception
) -> None:
    recorder, scheduler = Recorder(), Scheduler(worker)
    recorder.gate.set()
    for ask in (scheduler.final(Failing(error), AUDIO), scheduler.partial("s", Failing(error), AUDIO)):
        with pytest.raises(EngineFailed, match="the engine failed: no memory"):
            await ask
    assert (await scheduler.final(recorder.named("next"), AUDIO)).transcript.text == "next"


async def test_a_mistake_of_ours_is_no_failure_of_the_engine(worker: Worker) -> None:
    with pytest.raises(TypeError):
        await Scheduler(worker).final(Failing(TypeError("no such argument")), AUDIO)


async def test_who_leaves_takes_nobodys_words_along(worker: Worker) -> None:
    recorder = Recorder()
    engine = Together(recorder, 2)
    engine.may_pair.clear()
    scheduler = Scheduler(worker, engine)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(scheduler.final(recorder.named("first"), AUDIO))
        await asyncio.to_thread(recorder.began.wait)
        leaver = tasks.create_task(scheduler.final(recorder.named("leaver"), AUDIO))
        stayer = tasks.create_task(scheduler.final(recorder.named("stayer"), AUDIO))
        await asyncio.sleep(0)
        recorder.gate.set()
        await asyncio.to_thread(engine.pairs.wait)
        leaver.cancel()
        await asyncio.wait([leaver])
        engine.may_pair.set()
        assert (await stayer).transcript.text == "stayer"
    assert leaver.cancelled()


async def test_a_recogniser_does_one_thing_at_a_time(worker: Worker) -> None:
    recorder = Recorder()
    engine = Together(recorder, 4)
    scheduler, same = Scheduler(worker, engine), recorder.named("same")
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(scheduler.final(recorder.named("first"), AUDIO))
        await asyncio.to_thread(recorder.began.wait)
        for recognizer in (same, same, recorder.named("other")):
            tasks.create_task(scheduler.final(recognizer, AUDIO))
        await asyncio.sleep(0)
        recorder.gate.set()
    assert engine.calls == [["first"], ["same", "other"], ["same"]]


async def test_a_busy_engine_waits_for_companions_and_an_idle_one_does_not(worker: Worker) -> None:
    recorder = Recorder()
    recorder.gate.set()
    engine = Together(recorder, 2)
    scheduler = Scheduler(worker, engine, companions_seconds=30.0)
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        await scheduler.final(recorder.named("idle"), AUDIO)
        recorder.gate.clear()
        recorder.began.clear()
        busy = tasks.create_task(scheduler.final(recorder.named("busy"), AUDIO))
        await asyncio.to_thread(recorder.began.wait)
        tasks.create_task(scheduler.final(recorder.named("a"), AUDIO))
        await asyncio.sleep(0)
        recorder.gate.set()
        await busy
        tasks.create_task(scheduler.final(recorder.named("b"), AUDIO))
    assert engine.calls == [["idle"], ["busy"], ["a", "b"]]


async def test_who_waits_for_companions_that_do_not_come_goes_alone(worker: Worker) -> None:
    recorder = Recorder()
    engine = Together(recorder, 2)
    scheduler = Scheduler(worker, engine, companions_seconds=0.005)
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        tasks.create_task(scheduler.final(recorder.named("busy"), AUDIO))
        await asyncio.to_thread(recorder.began.wait)
        tasks.create_task(scheduler.final(recorder.named("alone"), AUDIO))
        await asyncio.sleep(0)
        recorder.gate.set()
    assert engine.calls == [["busy"], ["alone"]]
