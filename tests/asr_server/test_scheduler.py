"""One engine for all: who goes first, and whose partial is never computed."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest

from asr_server.engine import Transcript
from asr_server.scheduler import Scheduler
from serving.threads import Worker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

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


@pytest.fixture
def worker() -> Iterator[Worker]:
    made = Worker("test")
    yield made
    made.close()


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


async def test_the_wait_and_the_work_are_told_apart(worker: Worker) -> None:
    recorder, scheduler = Recorder(), Scheduler(worker)
    recorder.gate.set()
    result = await scheduler.final(recorder.named("a"), AUDIO)
    assert result.queue_seconds < 0.5
    assert result.work_seconds < 0.5
