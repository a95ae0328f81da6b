"""Streams whose engine needs long, or fails: their sound is acknowledged, kept and gone through, and they go on."""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import islice, pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from asr_server.engines.scripted import ScriptedEngine, ScriptedRecognizer
from asr_server.front_end.front_end import FrontEndConfig
from asr_server.metrics import AsrMetrics
from asr_server.scheduler import Scheduler
from asr_server.stream import Stream
from asr_server.transcriber import Models
from asr_server.turn_telemetry import TurnTelemetry
from parley import asr
from parley.audio import to_float32
from serving.telemetry import Telemetry, new_provider
from tests.asr_server.test_service import LOUD, QUIET, chunks, heard, names, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine

    from numpy.typing import NDArray

    from asr_server.engine import Transcript
    from serving.threads import Worker

RATE_HZ = 16_000
CHUNK_SAMPLES = 640
# Silence after which a word could still belong to a turn.
PRE_ROLL_SAMPLES = 4_800
# So that what the engine gets can be compared with what was sent.
RAW = FrontEndConfig(highpass=False, agc=False)
WINDOW_SAMPLES = 512


class Sending:
    """Requests that are sent one by one, until it is closed."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[asr.Request | None] = asyncio.Queue()

    def send(self, *requests: asr.Request) -> None:
        for request in requests:
            self._queue.put_nowait(request)

    def close(self) -> None:
        self._queue.put_nowait(None)

    async def requests(self) -> AsyncIterator[asr.Request]:
        while (request := await self._queue.get()) is not None:
            yield request


class Slow(ScriptedEngine):
    """Answers nothing before it is let, and keeps the sound of what it is asked for."""

    def __init__(self, *texts: str) -> None:
        super().__init__(texts, 0.0)
        self.texts = texts
        self.let = threading.Event()
        self.finals: list[NDArray[np.float32]] = []

    def recognizer(self, language: str, hints: tuple[str, ...]) -> ScriptedRecognizer:
        return Waiting(self)


class Waiting(ScriptedRecognizer):
    def __init__(self, engine: Slow) -> None:
        super().__init__(engine.texts, 0.0)
        self._engine = engine

    def transcribe(self, audio: NDArray[np.float32], *, final: bool) -> Transcript:
        self._engine.let.wait()
        if final:
            self._engine.finals.append(audio)
        return super().transcribe(audio, final=final)


@asynccontextmanager
async def streaming(engine: Slow) -> AsyncIterator[tuple[asr.AsrClient, Sending, AsyncIterator[asr.Event]]]:
    """A server with this engine, and a stream to it. The engine answers at last, so that a test that fails ends."""
    sending = Sending()
    async with asyncio.timeout(10), serving(engine=engine, front_end=RAW) as client:
        try:
            async with client.transcribe(sending.requests()) as events:
                yield client, sending, events
        finally:
            engine.let.set()


async def until_received(stream: AsyncIterator[asr.Event], samples: int) -> list[asr.Event]:
    """Events until so many samples are acknowledged, but for less than a second."""
    events: list[asr.Event] = []
    async for event in stream:
        events.append(event)
        if isinstance(event, asr.AudioAck) and event.received_samples > samples - RATE_HZ:
            break
    return events


def told(events: list[asr.Event]) -> list[asr.Event]:
    """What is said of turns, without times of the machine."""
    kept = [event for event in events if not isinstance(event, asr.AudioAck | asr.Partial)]
    times = asr.Timings(0, 0, 0, 0, eager=False)
    return [replace(event, timings=times) if isinstance(event, asr.EndOfTurn) else event for event in kept]


def samples(requests: list[asr.Request]) -> int:
    return sum(len(request.pcm) // 2 for request in requests if isinstance(request, asr.Audio))


@pytest.mark.parametrize(
    "opening",
    [
        # The file is ahead of a microphone, so it waits for the words of its pause before it goes on.
        pytest.param([*chunks((QUIET, 2.4), (LOUD, 1.0), (QUIET, 0.6))], id="in a pause"),
        pytest.param([*chunks((LOUD, 0.4)), asr.Flush()], id="at the end of a turn"),
    ],
)
async def test_an_engine_that_needs_four_seconds_keeps_nobody_waiting_for_a_sign_of_life(
    opening: list[asr.Request],
) -> None:
    first = samples(opening)
    meanwhile = chunks((QUIET, 0.8), (LOUD, 1.2), (QUIET, 2.0), first_sample=first)
    after = chunks((QUIET, 0.4), first_sample=first + samples(meanwhile))
    sent = [asr.Config(partials=False), *opening, *meanwhile, *after]
    engine = Slow("turn on the lamp", "and close the door please")
    async with streaming(engine) as (client, sending, stream):
        sending.send(*sent[: -len(after)])
        events = await until_received(stream, first + samples(meanwhile))
        assert "EndOfTurn" not in names(events), "four seconds of sound were received before the engine answered"
        sending.send(*after)
        sending.close()
        engine.let.set()
        events += [event async for event in stream]
        at_once = await heard(client, *sent)
    ready = events[0]
    assert isinstance(ready, asr.Ready)
    received = [event.received_samples for event in events if isinstance(event, asr.AudioAck)]
    assert all(0 < later - earlier < ready.ack_samples + CHUNK_SAMPLES for earlier, later in pairwise([0, *received]))
    assert received[-1] == samples(sent)
    assert told(events) == told(at_once)
    assert names(events).count("EndOfTurn") == 2


@pytest.mark.parametrize(
    "turn",
    [
        pytest.param(chunks((LOUD, 0.32)), id="in many messages"),
        pytest.param([asr.Audio((LOUD * 5 + QUIET * 2)[: 2 * 4_096], 0)], id="in one message, with its end"),
    ],
)
async def test_a_turn_whose_pause_ends_it_at_once_keeps_nobody_waiting_either(turn: list[asr.Request]) -> None:
    sound = [*turn, *chunks((QUIET, 1.2), first_sample=samples(turn))]
    engine = Slow("turn on the lamp")
    async with streaming(engine) as (_, sending, stream):
        sending.send(asr.Config(partials=False, endpointing=asr.Endpointing(default_silence_ms=60)), *sound)
        events = await until_received(stream, samples(sound))
        assert "EndOfTurn" not in names(events)
        sending.close()
        engine.let.set()
        events += [event async for event in stream]
    [end] = [event for event in events if isinstance(event, asr.EndOfTurn)]
    assert end.timings.endpoint_ms < 100, "before the pause had been looked at"


async def test_what_waits_for_an_engine_that_works_is_not_accounted_for_and_comes_to_it_whole() -> None:
    chance = np.random.default_rng(0)
    voice = (chance.normal(size=2 * RATE_HZ) * 3_000).astype("<i2").tobytes()
    sound = bytes(2 * 8_000) + voice[: 2 * 6_400] + bytes(2 * 16_000) + voice + bytes(2 * 40_000)
    audio = [asr.Audio(sound[at : at + 1280], at // 2) for at in range(0, len(sound), 1280)]
    said = 14_400 // CHUNK_SAMPLES
    engine = Slow("turn on the lamp", "and close the door please")
    async with streaming(engine) as (_, sending, stream):
        # Just after the first word the user lets go of the key.
        sending.send(asr.Config(partials=False), *audio[: said + 1], asr.Flush(), *audio[said + 1 :])
        events = await until_received(stream, len(sound) // 2)
        waited = [event.end_sample for event in events if isinstance(event, asr.AudioAck)]
        sending.close()
        engine.let.set()
        events += [event async for event in stream]
    first, second = (event for event in events if isinstance(event, asr.EndOfTurn))
    assert max(waited) <= first.first_sample, "a client that has to send again still has the turn"
    assert first.end_sample <= second.first_sample
    last = [event.end_sample for event in events if isinstance(event, asr.AudioAck)][-1]
    assert len(sound) // 2 - last <= PRE_ROLL_SAMPLES + WINDOW_SAMPLES
    for turn, given in zip((first, second), (engine.finals[0], engine.finals[-1]), strict=True):
        whole = to_float32(sound[2 * turn.first_sample : 2 * (turn.first_sample + len(given))])
        assert np.array_equal(given, whole)


async def test_each_flush_is_answered_whatever_it_meets() -> None:
    engine = Slow("turn on the lamp")
    events: list[asr.Event] = []
    async with streaming(engine) as (_, sending, stream):
        sending.send(asr.Config(partials=False), asr.Flush(), *chunks((QUIET, 0.2)), asr.Flush())
        # The second of these finds that the turn is over, and that its words are still outstanding.
        sending.send(*chunks((LOUD, 0.32), first_sample=3_200), asr.Flush(), asr.Flush())
        sending.send(*chunks((LOUD, 0.04), first_sample=8_320), asr.Flush())
        sending.close()
        async for event in stream:
            events.append(event)
            if isinstance(event, asr.SpeechStarted):
                engine.let.set()
    assert names(events) == [
        "Ready",
        "TurnDiscarded",
        "TurnDiscarded",
        "VoiceOnset",
        "SpeechStarted",
        "EndOfTurn",
        "TurnDiscarded",
        "VoiceOnset",
        "TurnDiscarded",
    ]
    # After each it is said how far the sound is accounted for, and at the end of the stream.
    acks = [event.end_sample for event in events if isinstance(event, asr.AudioAck)]
    assert len(acks) == 6
    assert acks[0] == 0
    assert acks[1] <= 3_200 <= acks[2] == acks[3] <= 8_320 <= acks[4] + WINDOW_SAMPLES


async def test_a_stream_that_begins_in_the_middle_counts_what_it_received_itself() -> None:
    async with serving() as client:
        config = asr.Config(first_sample=160_000, first_turn=7)
        events = await heard(client, config, *chunks((LOUD, 0.6), (QUIET, 2.0), first_sample=160_000))
    acks = [event for event in events if isinstance(event, asr.AudioAck)]
    assert [ack.received_samples for ack in acks] == [16_000, 32_000, 41_600]
    assert 160_000 <= acks[0].end_sample <= acks[-1].end_sample <= 160_000 + 41_600


async def test_partials_after_a_turn_that_was_too_long_are_those_of_the_next() -> None:
    config = asr.Config(endpointing=asr.Endpointing(soft_limit_ms=2_000, hard_limit_ms=2_000))
    async with serving(("one two three four five six seven", "eight nine ten eleven twelve")) as client:
        events = await heard(client, config, *chunks((LOUD, 3.8), (QUIET, 1.0)))
    partials = {turn: [e.text for e in events if isinstance(e, asr.Partial) and e.turn == turn] for turn in (1, 2)}
    assert len(partials[1]) >= 3
    assert len(partials[2]) >= 3
    assert all(text.startswith("one") for text in partials[1])
    assert all(text.startswith("eight") for text in partials[2])
    ends = [event for event in events if isinstance(event, asr.EndOfTurn)]
    assert [(end.turn, end.reason) for end in ends] == [(1, asr.EndReason.TOO_LONG), (2, asr.EndReason.SILENCE)]
    # Its numbers too: what the voice detector saw before the split is the first turn's.
    started = [event for event in events if isinstance(event, asr.SpeechStarted)]
    assert [(event.turn, event.voiced_ms < 300) for event in started] == [(1, True), (2, True)]
    assert started[1].first_sample == ends[0].end_sample == ends[1].first_sample


def at_once(step: Coroutine[object, object, None]) -> bool:
    """Whether something is done without a turn of the event loop."""
    try:
        step.send(None)
    except StopIteration:
        return True
    step.close()
    return False


@asynccontextmanager
async def running(worker: Worker, events: list[asr.Event]) -> AsyncIterator[tuple[Stream, asyncio.Event]]:
    """A stream that tells `events`, and is told in the end that no more comes; set: there was a partial."""
    telemetry = Telemetry(new_provider("test"), CollectorRegistry())
    partial = asyncio.Event()

    async def write(event: asr.Event) -> None:
        events.append(event)
        if isinstance(event, asr.Partial):
            partial.set()

    models = Models(ScriptedEngine(("turn on the lamp",), 0.0), Scheduler(worker))
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        spans = TurnTelemetry(telemetry, AsrMetrics(telemetry, models.scheduler), "test")
        stream = Stream(tasks, models, asr.Config(language="en"), spans, write)
        tasks.create_task(stream.run())
        yield stream, partial
        stream.close()


async def test_sound_in_silence_and_in_speech_and_at_an_end_on_known_words_takes_no_turn_of_the_loop(
    worker: Worker,
) -> None:
    events: list[asr.Event] = []
    async with running(worker, events) as (stream, partial):
        # The first half of a second may be ahead of time.
        lengths = ((QUIET, 0.08), (LOUD, 0.28), (LOUD, 0.12), (QUIET, 0.2), (QUIET, 0.8))
        sent = iter(chunks(*lengths))
        quiet, voice, speech, pause, end = (list(islice(sent, round(seconds / 0.04))) for _, seconds in lengths)
        assert [at_once(stream.take(request)) for request in quiet] == [True] * len(quiet)
        for request in voice:
            await stream.take(request)
        while "SpeechStarted" not in names(events):
            await asyncio.sleep(0)
        assert [at_once(stream.take(request)) for request in speech] == [True] * len(speech)
        for request in pause:
            await stream.take(request)
        await partial.wait()
        # What has waited for these words is gone through: that takes turns of the loop, and nothing else.
        for _ in range(100):
            await asyncio.sleep(0)
        for request in end:
            assert at_once(stream.take(request))
        assert names(events)[-1] == "EndOfTurn"


async def test_messages_as_long_as_a_gateways_take_none_either(worker: Worker) -> None:
    events: list[asr.Event] = []
    end = 0

    def sound(chunk: bytes, samples: int) -> asr.Audio:
        nonlocal end
        first, end = end, end + samples
        return asr.Audio((chunk * 10)[: 2 * samples], first)

    async with running(worker, events) as (stream, _):
        # What is left over of a message before comes on top. The first half of a second may be ahead of time.
        assert at_once(stream.take(sound(QUIET, 64)))
        assert at_once(stream.take(sound(QUIET, 2_400)))
        await stream.take(sound(LOUD, 4_096))
        while "SpeechStarted" not in names(events):
            await asyncio.sleep(0)
        assert end % WINDOW_SAMPLES > 320
        assert at_once(stream.take(sound(LOUD, 1_280)))
