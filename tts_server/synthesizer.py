"""The seam between a reply and who makes its sound: the engine on its threads, or a cache in front of it.

Knows nothing of replies, of rates or of gRPC.
"""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from serving.telemetry import clock_ns
from tts_server.engine import Audio, WordMark

if TYPE_CHECKING:
    import threading
    from collections.abc import AsyncIterator, Iterator
    from contextlib import AbstractAsyncContextManager

    from serving.threads import Worker
    from tts_server.engine import Engine, SpeechRequest
    from tts_server.metrics import TtsMetrics

# Chunks that an engine may be ahead of the caller: more than the longest sentence has, so that a listener who takes
# sound at the pace of time never keeps the engine from others. Between sentences the caller holds us back.
_AHEAD: Final = 4_096


@dataclass(frozen=True, slots=True)
class Begun:
    """Work on a request has begun; comes first."""

    unix_ns: int
    """When."""
    cached: bool
    """The engine has no part in it."""


SynthesisEvent = Begun | WordMark | Audio


class Synthesizer(Protocol):
    """Who makes sound of text."""

    def synthesize(self, request: SpeechRequest) -> AbstractAsyncContextManager[AsyncIterator[SynthesisEvent]]:
        """Sound and marks of a text; leaving the block ends the work on it."""
        ...


class EngineSynthesizer:
    """The engine, on its threads."""

    def __init__(self, engine: Engine, worker: Worker, metrics: TtsMetrics) -> None:
        """Speak with `engine` on `worker`, and count in `metrics`."""
        self._engine = engine
        self._worker = worker
        self._metrics = metrics

    @asynccontextmanager
    async def synthesize(self, request: SpeechRequest) -> AsyncIterator[AsyncIterator[SynthesisEvent]]:
        """Sound and marks of a text, as the engine makes them."""
        with self._metrics.workload.place() as place:

            def make(stop: threading.Event) -> Iterator[list[SynthesisEvent]]:
                place.begin()
                together: list[SynthesisEvent] = [Begun(clock_ns(), cached=False)]
                for event in self._speak(request, stop):
                    together.append(event)
                    # What comes before a sound is of use with it alone, and each way to the loop has its price.
                    if isinstance(event, Audio):
                        yield together
                        together = []
                if together:
                    yield together

            place.wait()
            async with self._worker.iterate(make, bound=_AHEAD) as events:
                yield _each(events)

    def _speak(self, request: SpeechRequest, stop: threading.Event) -> Iterator[SynthesisEvent]:
        """On the engine's thread: what it makes, which is never held back; see `_AHEAD`."""
        began, size = time.perf_counter(), 0
        for event in self._engine.speak(request, stop):
            if isinstance(event, Audio):
                size += len(event.pcm)
            yield event
        if not stop.is_set():
            self._metrics.spoken(request.voice, size, time.perf_counter() - began)


async def _each(together: AsyncIterator[list[SynthesisEvent]]) -> AsyncIterator[SynthesisEvent]:
    async for events in together:
        for event in events:
            yield event
