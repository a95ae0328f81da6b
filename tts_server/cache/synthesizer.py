"""A cache in front of an engine: what was spoken before comes from a store, and needs no turn in the engine's queue."""

from __future__ import annotations

from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from serving.telemetry import clock_ns
from tts_server.cache.entry import CacheEntry, key_of
from tts_server.engine import Audio, WordMark
from tts_server.synthesizer import Begun

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from prometheus_client import Counter

    from tts_server.cache.store import Store
    from tts_server.engine import SpeechRequest
    from tts_server.synthesizer import SynthesisEvent, Synthesizer

_CHUNK_SECONDS: Final = 0.2
_SAMPLE_BYTES: Final = 2


class CachedSynthesizer:
    """Stores what another synthesizer makes, and plays it again."""

    def __init__(self, engine: str, behind: Synthesizer, store: Store, asked: Counter) -> None:
        """Store what `behind` makes with the engine of that name in `store`; count in `asked`, by `result`."""
        self._engine = engine
        self._behind = behind
        self._store = store
        self._asked = asked

    @asynccontextmanager
    async def synthesize(self, request: SpeechRequest) -> AsyncIterator[AsyncIterator[SynthesisEvent]]:
        """Sound and marks of a text; the space around it makes no difference."""
        text = request.text.strip()
        lead = request.text.index(text)
        core = replace(request, text=text)
        key = key_of(self._engine, core)
        entry = await self._store.get(key, text)
        self._asked.labels("hit" if entry else "miss").inc()
        if entry is not None:
            yield _shifted(_replay(entry, request.voice.sample_rate_hz), lead)
            return
        async with self._behind.synthesize(core) as events, aclosing(self._storing(key, events)) as stored:
            yield _shifted(stored, lead)

    async def _storing(self, key: str, events: AsyncIterator[SynthesisEvent]) -> AsyncGenerator[SynthesisEvent, None]:
        """Events as they come; a text of which somebody heard only the beginning never gets to the end of this."""
        marks: list[WordMark] = []
        pcm = bytearray()
        async for event in events:
            if isinstance(event, WordMark):
                marks.append(event)
            elif isinstance(event, Audio):
                pcm += event.pcm
            yield event
        if pcm:
            await self._store.put(key, CacheEntry(tuple(marks), bytes(pcm)))


async def _replay(entry: CacheEntry, rate_hz: int) -> AsyncIterator[SynthesisEvent]:
    yield Begun(clock_ns(), cached=True)
    for mark in entry.marks:
        yield mark
    size = round(_CHUNK_SECONDS * rate_hz) * _SAMPLE_BYTES
    for place in range(0, len(entry.pcm), size):
        yield Audio(entry.pcm[place : place + size])


def _shifted(events: AsyncIterator[SynthesisEvent], characters: int) -> AsyncIterator[SynthesisEvent]:
    return _moved(events, characters) if characters else events


async def _moved(events: AsyncIterator[SynthesisEvent], characters: int) -> AsyncIterator[SynthesisEvent]:
    async for event in events:
        if isinstance(event, WordMark):
            start, end = event.start_char + characters, event.end_char + characters
            yield replace(event, start_char=start, end_char=end)
        else:
            yield event
