"""Has lines spoken: by the engine, on its threads, or from a cache in front of it.

What is in the cache needs no turn among the engine's lines. Knows nothing of replies, of rates or of gRPC.
"""

from __future__ import annotations

from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Protocol

from serving.telemetry import clock_ns
from tts_server.cache.entry import Take, key_of
from tts_server.engine import Audio, WordMark

if TYPE_CHECKING:
    import threading
    from collections.abc import AsyncGenerator, AsyncIterator, Iterator
    from contextlib import AbstractAsyncContextManager

    from prometheus_client import Counter

    from serving.threads import Worker
    from tts_server.cache.store import Store
    from tts_server.engine import Engine, Line

# Chunks that an engine may be ahead of the caller: more than the longest sentence has, so that a listener who takes
# sound at the pace of time never keeps the engine from others. Between sentences the caller holds us back.
_AHEAD: Final = 4_096
_CHUNK_SECONDS: Final = 0.2
_SAMPLE_BYTES: Final = 2


@dataclass(frozen=True, slots=True)
class Begun:
    """Work on a line has begun; comes first."""

    unix_ns: int
    """When."""
    cached: bool
    """The engine has no part in it."""


LineEvent = Begun | WordMark | Audio


class Lines(Protocol):
    """Who speaks lines."""

    def say(self, line: Line) -> AbstractAsyncContextManager[AsyncIterator[LineEvent]]:
        """Sound and marks of a line; leaving the block ends the work on it."""
        ...


class EngineLines:
    """The engine, on its threads."""

    def __init__(self, engine: Engine, worker: Worker) -> None:
        """Speak with `engine` on `worker`."""
        self._engine = engine
        self._worker = worker

    @asynccontextmanager
    async def say(self, line: Line) -> AsyncIterator[AsyncIterator[LineEvent]]:
        """Sound and marks of a line, as the engine makes them."""

        def make(stop: threading.Event) -> Iterator[LineEvent]:
            yield Begun(clock_ns(), cached=False)
            yield from self._engine.speak(line, stop)

        async with self._worker.iterate(make, bound=_AHEAD) as events:
            yield events


class CachedLines:
    """Keeps what others have made, and says it again."""

    def __init__(self, engine: str, lines: Lines, store: Store, asked: Counter) -> None:
        """Keep what `lines` make with the engine of that name in `store`; count in `asked`, by `result`."""
        self._engine = engine
        self._lines = lines
        self._store = store
        self._asked = asked

    @asynccontextmanager
    async def say(self, line: Line) -> AsyncIterator[AsyncIterator[LineEvent]]:
        """Sound and marks of a line; the space around a text makes no difference."""
        text = line.text.strip()
        lead = line.text.index(text)
        core = replace(line, text=text)
        key = key_of(self._engine, core)
        take = await self._store.get(key, text)
        self._asked.labels("hit" if take else "miss").inc()
        if take is not None:
            yield _shifted(_replay(take, line.voice.sample_rate_hz), lead)
            return
        async with self._lines.say(core) as events, aclosing(self._kept(key, events)) as kept:
            yield _shifted(kept, lead)

    async def _kept(self, key: str, events: AsyncIterator[LineEvent]) -> AsyncGenerator[LineEvent, None]:
        """Events as they come; a line of which somebody heard only the beginning never gets to the end of this."""
        marks: list[WordMark] = []
        pcm = bytearray()
        async for event in events:
            if isinstance(event, WordMark):
                marks.append(event)
            elif isinstance(event, Audio):
                pcm += event.pcm
            yield event
        if pcm:
            await self._store.put(key, Take(tuple(marks), bytes(pcm)))


async def _replay(take: Take, rate_hz: int) -> AsyncIterator[LineEvent]:
    yield Begun(clock_ns(), cached=True)
    for mark in take.marks:
        yield mark
    size = round(_CHUNK_SECONDS * rate_hz) * _SAMPLE_BYTES
    for place in range(0, len(take.pcm), size):
        yield Audio(take.pcm[place : place + size])


async def _shifted(events: AsyncIterator[LineEvent], characters: int) -> AsyncIterator[LineEvent]:
    async for event in events:
        if isinstance(event, WordMark):
            start, end = event.start_char + characters, event.end_char + characters
            yield replace(event, start_char=start, end_char=end)
        else:
            yield event
