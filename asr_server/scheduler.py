"""Shares one engine among all streams: finals before partials, and a partial that was overtaken is never computed.

Knows nothing of what is transcribed.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from asr_server.engine import Recognizer, Transcript
    from serving.threads import Worker


@dataclass(frozen=True, slots=True)
class Result:
    """What was heard, and how long it took."""

    transcript: Transcript
    """What was heard."""
    queue_seconds: float
    """Wait for the engine."""
    work_seconds: float
    """The engine's own work."""
    done_ns: int
    """When it was done, nanoseconds since the Unix epoch."""


class Scheduler:
    """The queue before one engine."""

    def __init__(self, worker: Worker) -> None:
        """Run the engine on `worker`."""
        self._worker = worker
        self._busy = False
        self._finals: deque[asyncio.Future[bool]] = deque()
        self._partials: dict[object, asyncio.Future[bool]] = {}

    async def final(self, recognizer: Recognizer, audio: NDArray[np.float32]) -> Result:
        """Transcribe `audio` before everything that is not final."""
        asked = time.monotonic()
        if self._busy:
            waiter: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
            self._finals.append(waiter)
            await self._wait(waiter)
        return await self._work(recognizer, audio, asked, final=True)

    async def partial(self, stream: object, recognizer: Recognizer, audio: NDArray[np.float32]) -> Result | None:
        """Transcribe `audio` when nothing final waits; None when a later partial of the same stream took its place."""
        asked = time.monotonic()
        if self._busy:
            overtaken = self._partials.pop(stream, None)
            if overtaken is not None and not overtaken.done():
                overtaken.set_result(False)
            waiter: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
            self._partials[stream] = waiter
            if not await self._wait(waiter):
                return None
        return await self._work(recognizer, audio, asked, final=False)

    async def _wait(self, waiter: asyncio.Future[bool]) -> bool:
        """Wait for our turn; a caller who leaves in the very moment that it comes passes it on."""
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.result():
                self._next()
            raise

    async def _work(self, recognizer: Recognizer, audio: NDArray[np.float32], asked: float, *, final: bool) -> Result:
        self._busy = True
        began = time.monotonic()

        def transcribe() -> tuple[Transcript, float]:
            start = time.perf_counter()
            return recognizer.transcribe(audio, final=final), time.perf_counter() - start

        try:
            transcript, seconds = await self._worker.run(transcribe)
        finally:
            self._next()
        return Result(transcript, began - asked, seconds, time.time_ns())

    def _next(self) -> None:
        """Hand the engine to whoever is next; it stays busy if there is one."""
        self._busy = False
        while self._finals or self._partials:
            waiter = self._finals.popleft() if self._finals else self._partials.pop(next(iter(self._partials)))
            if not waiter.done():
                self._busy = True
                waiter.set_result(True)
                return
