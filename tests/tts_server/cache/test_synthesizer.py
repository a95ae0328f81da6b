"""Texts spoken by an engine, and again from the cache."""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

import pytest
from prometheus_client import CollectorRegistry

from parley.errors import EngineFailed
from serving.telemetry import Telemetry, new_provider
from serving.threads import Worker
from tts_server.cache.store import MemoryStore
from tts_server.cache.synthesizer import CachedSynthesizer
from tts_server.engine import Audio, SpeechRequest, Voice, WordMark
from tts_server.engines.espeak import EspeakEngine
from tts_server.engines.scripted import ScriptedEngine
from tts_server.metrics import TtsMetrics
from tts_server.synthesizer import Begun, EngineSynthesizer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from tts_server.engine import Engine
    from tts_server.synthesizer import SynthesisEvent, Synthesizer

T = TypeVar("T")

TEXT = "Seven times eight is fifty six."


class Breaking(ScriptedEngine):
    """Hums, and then fails."""

    def __init__(self) -> None:
        super().__init__(0, 0.01)

    def speak(self, request: SpeechRequest, stop: threading.Event) -> Iterator[Audio | WordMark]:
        yield from super().speak(request, stop)
        raise EngineFailed("out of breath")


class Mute(ScriptedEngine):
    """Marks words and gives no sound."""

    def __init__(self) -> None:
        super().__init__(0, 0.01)

    def speak(self, request: SpeechRequest, stop: threading.Event) -> Iterator[Audio | WordMark]:
        return (event for event in super().speak(request, stop) if isinstance(event, WordMark))


class Held(ScriptedEngine):
    """Says nothing of a text that begins with "Wait" before it is told to."""

    def __init__(self) -> None:
        super().__init__(0, 0.01)
        self.waits = threading.Event()

    def speak(self, request: SpeechRequest, stop: threading.Event) -> Iterator[Audio | WordMark]:
        if request.text.startswith("Wait"):
            self.waits.set()
            stop.wait()
        yield from super().speak(request, stop)


class Cached:
    """A synthesizer with a cache, and what it counts."""

    def __init__(self, engine: Engine, worker: Worker, voice: Voice) -> None:
        self.voice = voice
        self._registry = CollectorRegistry()
        metrics = TtsMetrics(Telemetry(new_provider("tts"), self._registry))
        behind, store = EngineSynthesizer(engine, worker, metrics), MemoryStore(10_000_000)
        self.synthesizer: Synthesizer = CachedSynthesizer(engine.name, behind, store, metrics.cache)

    def counted(self, result: str) -> float:
        return self._registry.get_sample_value("parley_tts_cache_total", {"result": result}) or 0.0

    async def say(self, text: str, speed: float = 1.0) -> list[SynthesisEvent]:
        async with self.synthesizer.synthesize(SpeechRequest(text, self.voice, speed)) as events:
            return [event async for event in events]


@asynccontextmanager
async def caching(engine: Engine) -> AsyncIterator[Cached]:
    worker = Worker("test")
    try:
        yield Cached(engine, worker, (await worker.run(engine.load))[0])
    finally:
        worker.close()


def begun(events: list[SynthesisEvent]) -> Begun:
    assert isinstance(events[0], Begun)
    return events[0]


def sound(events: list[SynthesisEvent]) -> bytes:
    return b"".join(event.pcm for event in events if isinstance(event, Audio))


def marks(events: list[SynthesisEvent]) -> list[WordMark]:
    return [event for event in events if isinstance(event, WordMark)]


async def test_what_was_spoken_once_comes_again_with_its_sound_and_marks() -> None:
    async with caching(EspeakEngine()) as cached:
        made, again = await cached.say(TEXT), await cached.say(TEXT)
        other = await cached.say(TEXT, speed=1.5)
    assert [begun(events).cached for events in (made, again, other)] == [False, True, False]
    assert sound(made)
    assert sound(again) == sound(made)
    assert marks(again) == marks(made)
    assert (cached.counted("hit"), cached.counted("miss")) == (1, 2)


async def test_space_around_a_text_makes_no_difference_but_to_the_places_of_its_words() -> None:
    async with caching(EspeakEngine()) as cached:
        made, again = await cached.say(f"\n {TEXT} "), await cached.say(f"   {TEXT}")
    assert begun(again).cached
    assert sound(again) == sound(made)
    assert [f"\n {TEXT} "[mark.start_char : mark.end_char] for mark in marks(made)] == TEXT.split()
    assert [f"   {TEXT}"[mark.start_char : mark.end_char] for mark in marks(again)] == TEXT.split()


async def test_a_text_that_somebody_left_in_the_middle_is_not_cached() -> None:
    async with caching(ScriptedEngine(0, 0.1)) as cached:
        async with cached.synthesizer.synthesize(SpeechRequest(TEXT, cached.voice, 1.0)) as events:
            async for event in events:
                if isinstance(event, Audio):
                    break
        whole = await cached.say(TEXT)
    assert not begun(whole).cached
    assert len(sound(whole)) == 2 * round(len(TEXT) * 0.1 * 24_000)


async def test_a_text_at_which_the_engine_failed_is_not_cached() -> None:
    async with caching(Breaking()) as cached:
        for _ in range(2):
            with pytest.raises(EngineFailed):
                await cached.say(TEXT)
    assert cached.counted("hit") == 0


async def test_a_text_that_gave_no_sound_is_not_cached() -> None:
    async with caching(Mute()) as cached:
        await cached.say(TEXT)
        assert not begun(await cached.say(TEXT)).cached


async def test_what_is_cached_does_not_wait_for_an_engine_that_is_busy() -> None:
    engine = Held()
    async with caching(engine) as cached:
        await cached.say(TEXT)

        async def keep_busy() -> None:
            await cached.say("Wait for it.")

        async with asyncio.TaskGroup() as tasks:
            busy = tasks.create_task(keep_busy())
            await asyncio.to_thread(engine.waits.wait)
            async with asyncio.timeout(2):
                assert begun(await cached.say(TEXT)).cached
            busy.cancel()


class Watched(Worker):
    """Keeps what is brought from its thread, hand-over by hand-over."""

    def __init__(self) -> None:
        super().__init__("test")
        self.brought: list[object] = []

    @asynccontextmanager
    async def iterate(
        self, make: Callable[[threading.Event], Iterator[T]], *, bound: int, patience_seconds: float | None = None
    ) -> AsyncIterator[AsyncIterator[T]]:
        def watched(stop: threading.Event) -> Iterator[T]:
            for item in make(stop):
                self.brought.append(item)
                yield item

        async with super().iterate(watched, bound=bound, patience_seconds=patience_seconds) as items:
            yield items


async def test_what_an_engine_gives_before_a_sound_comes_with_it_in_one_hand_over() -> None:
    engine, worker = ScriptedEngine(0, 0.01), Watched()
    metrics = TtsMetrics(Telemetry(new_provider("tts"), CollectorRegistry()))
    request = SpeechRequest("one two three", engine.load()[0], 1.0)
    try:
        async with EngineSynthesizer(engine, worker, metrics).synthesize(request) as events:
            kinds = [type(event) async for event in events]
    finally:
        worker.close()
    assert kinds == [Begun, WordMark, WordMark, WordMark, Audio]
    assert len(worker.brought) == 1
