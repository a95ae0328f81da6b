"""Shares one engine among all streams: finals before partials, and a partial that was overtaken is never computed.

An engine that can is given the work of several streams at once: all that waits when it becomes free, finals or
partials, never both, so that no final waits for a partial beside it. Knows nothing of what is transcribed.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from asr_server.engine import RATE_HZ, Job
from parley.errors import EngineFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from asr_server.engine import Batching, Recognizer, Transcript
    from serving.threads import Worker


@dataclass(frozen=True, slots=True)
class Result:
    """What was heard, and how long it took."""

    transcript: Transcript
    """What was heard."""
    queue_seconds: float
    """Wait for the engine."""
    work_seconds: float
    """The engine's own work, on this and on what it did together with it."""
    done_ns: int
    """When it was done, nanoseconds since the Unix epoch."""
    batch_size: int = 1
    """How many sounds the engine worked on together."""


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """A job in the queue."""

    job: Job
    at: float
    answer: asyncio.Future[Result | None]


@dataclass(frozen=True, slots=True)
class _Done:
    """What the engine made of some jobs."""

    answers: Sequence[Transcript | Exception]
    began: float
    seconds: float
    done_ns: int


class Scheduler:
    """The queue before one engine."""

    def __init__(self, worker: Worker, batching: Batching | None = None, companions_seconds: float = 0.0) -> None:
        """Run the engine on `worker`; one that is `batching` does several jobs at once.

        After it was busy it waits `companions_seconds` for more of them; never when it was idle.
        """
        self._worker = worker
        self._batching = batching
        self._companions_seconds = companions_seconds
        self._busy = False
        self._hold: asyncio.TimerHandle | None = None
        self._finals: deque[_Asked] = deque()
        self._partials: dict[object, _Asked] = {}
        self._worked: Callable[[int, float, float], None] | None = None

    @property
    def waiting(self) -> int:
        """Jobs that wait for the engine."""
        return len(self._finals) + len(self._partials)

    @property
    def wait_seconds(self) -> float:
        """How long the final job has waited that waits longest."""
        eldest = next((asked for asked in self._finals if not asked.answer.done()), None)
        return 0.0 if eldest is None else time.monotonic() - eldest.at

    def watch(self, worked: Callable[[int, float, float], None]) -> None:
        """Have `worked` told of each call of the engine: jobs, seconds of their sound in all, seconds of work."""
        self._worked = worked

    async def final(self, recognizer: Recognizer, audio: NDArray[np.float32]) -> Result:
        """Transcribe `audio` before everything that is not final.

        Raises:
            ParleyError: the engine failed on it.
        """
        asked = _ask(Job(recognizer, audio, final=True))
        self._finals.append(asked)
        self._next()
        result = await asked.answer
        assert result is not None  # noqa: S101 - only partials are overtaken
        return result

    async def partial(self, stream: object, recognizer: Recognizer, audio: NDArray[np.float32]) -> Result | None:
        """Transcribe `audio` when nothing final waits; None when a later partial of the same stream took its place.

        Raises:
            ParleyError: the engine failed on it.
        """
        overtaken = self._partials.pop(stream, None)
        if overtaken is not None and not overtaken.answer.done():
            overtaken.answer.set_result(None)
        asked = self._partials[stream] = _ask(Job(recognizer, audio, final=False))
        self._next()
        return await asked.answer

    def _next(self) -> None:
        """Give the engine something to do, if it is free and there is something."""
        if self._busy or (self._hold is not None and self.waiting < self._most):
            return
        if self._hold is not None:
            self._hold.cancel()
            self._hold = None
        batch = self._take()
        if batch:
            self._busy = True
            # Nobody's leaving cancels it: others may wait for the same call.
            running = self._worker.start(self._transcribe, [asked.job for asked in batch])
            running.add_done_callback(lambda done: self._deliver(batch, done))

    @property
    def _most(self) -> int:
        return 1 if self._batching is None else self._batching.most

    def _take(self) -> list[_Asked]:
        """The jobs that are done next, of different recognisers, which do one at a time."""
        taken: list[_Asked] = []
        later: list[_Asked] = []
        while self._finals and len(taken) < self._most:
            asked = self._finals.popleft()
            if any(asked.job.recognizer is other.job.recognizer for other in taken):
                later.append(asked)
            elif not asked.answer.done():
                taken.append(asked)
        self._finals.extendleft(reversed(later))
        while self._partials and len(taken) < self._most and not (taken and taken[0].job.final):
            asked = self._partials.pop(next(iter(self._partials)))
            if not asked.answer.done():
                taken.append(asked)
        return taken

    def _transcribe(self, jobs: Sequence[Job]) -> _Done:
        """On the engine's thread: do the jobs."""
        began, start = time.monotonic(), time.perf_counter()
        if self._batching is None:
            answers: Sequence[Transcript | Exception] = [
                job.recognizer.transcribe(job.audio, final=job.final) for job in jobs
            ]
        else:
            answers = self._batching.transcribe_together(jobs)
        return _Done(answers, began, time.perf_counter() - start, time.time_ns())

    def _deliver(self, batch: Sequence[_Asked], running: asyncio.Future[_Done]) -> None:
        """Give everybody their answer, and the engine its next jobs."""
        self._busy = False
        waiting = [asked.answer for asked in batch if not asked.answer.done()]
        if running.cancelled():
            for answer in waiting:
                answer.cancel()
        elif (error := running.exception()) is not None:
            for answer in waiting:
                answer.set_exception(_failure(error))
        else:
            done = running.result()
            if self._worked is not None:
                audio_seconds = sum(len(asked.job.audio) for asked in batch) / RATE_HZ
                self._worked(len(batch), audio_seconds, done.seconds)
            for asked, said in zip(batch, done.answers, strict=True):
                _answer(asked, said, done)
        if self._companions_seconds and 0 < self.waiting < self._most:
            self._hold = asyncio.get_running_loop().call_later(self._companions_seconds, self._go_on)
        else:
            self._next()

    def _go_on(self) -> None:
        self._hold = None
        self._next()


def _ask(job: Job) -> _Asked:
    return _Asked(job, time.monotonic(), asyncio.get_running_loop().create_future())


def _answer(asked: _Asked, said: Transcript | Exception, done: _Done) -> None:
    if asked.answer.done():
        return
    if isinstance(said, Exception):
        asked.answer.set_exception(_failure(said))
    else:
        asked.answer.set_result(Result(said, done.began - asked.at, done.seconds, done.done_ns, len(done.answers)))


def _failure(error: BaseException) -> BaseException:
    """An engine's own error, or what its library says of a sound that it cannot take, or has no memory for."""
    if not isinstance(error, RuntimeError | ValueError | MemoryError):
        return error
    failed = EngineFailed(f"the engine failed: {error}")
    failed.__cause__ = error
    return failed
