"""The TTS service over a real port."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.exposition import generate_latest

from parley import tts
from parley.audio import to_float32
from parley.errors import InvalidInput, ParleyError
from parley.v1.tts_pb2_grpc import add_TtsServiceServicer_to_server
from serving.grpc_server import Listen, started
from serving.telemetry import SpanIdentity, Telemetry, new_provider
from serving.threads import Worker
from tts_server.cache.store import MemoryStore
from tts_server.engine import Audio, SpeechRequest, WordMark
from tts_server.engines.espeak import EspeakEngine
from tts_server.engines.scripted import ScriptedEngine
from tts_server.lexicons import NO_WORDS, Lexicons
from tts_server.service import SERVICE, TtsServicer
from tts_server.text import spoken as spoken_rules
from tts_server.text.normalize import normalize

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tts_server.cache.store import Store
    from tts_server.engine import Engine

TEXT = ("Well, ", "to be honest, ", "I do not know. ", "But I can ", "find it out for you tomorrow.")


class Endless(ScriptedEngine):
    """Hums until it is told to stop."""

    def __init__(self) -> None:
        super().__init__(0, 0.01)
        self.stopped = 0.0
        self.has_stopped = threading.Event()

    def speak(self, request: SpeechRequest, stop: threading.Event) -> Iterator[Audio | WordMark]:
        assert request.text
        yield Audio(bytes([0, 16]) * 4_800)
        stop.wait()
        self.stopped = time.monotonic()
        self.has_stopped.set()


class Serving:
    def __init__(
        self, client: tts.TtsClient, servicer: TtsServicer, telemetry: Telemetry, spans: InMemorySpanExporter
    ) -> None:
        self.client = client
        self.facts = servicer.facts
        self.telemetry = telemetry
        self.spans = spans

    def number(self, name: str) -> float:
        return self.telemetry.registry.get_sample_value(name, {"service": "tts"}) or 0.0


@asynccontextmanager
async def serving(
    engine: Engine, voice: str = "", store: Store | None = None, lexicons: Lexicons = NO_WORDS
) -> AsyncIterator[Serving]:
    worker = Worker("test", engine.parallel)
    provider, spans = new_provider("tts"), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    telemetry = Telemetry(provider, CollectorRegistry())
    servicer = TtsServicer(engine, worker, telemetry, 10, store, lexicons=lexicons)
    await servicer.load(voice)
    listen = Listen("127.0.0.1", 0, "PARLEY_TTS_PORT", 0, 0.0, 64 * 1024)
    async with started(SERVICE, lambda server: add_TtsServiceServicer_to_server(servicer, server), listen) as (
        port,
        ready,
    ):
        await ready()
        async with tts.TtsClient(f"127.0.0.1:{port}") as client:
            yield Serving(client, servicer, telemetry, spans)
    worker.close()


async def texts(*pieces: tts.Request) -> AsyncIterator[tts.Request]:
    for piece in pieces:
        yield piece


async def spoken(client: tts.TtsClient, config: tts.Config, *pieces: tts.Request) -> list[tts.Event]:
    async with client.synthesize(config, texts(*pieces)) as events:
        return [event async for event in events]


def sound(events: list[tts.Event]) -> bytes:
    return b"".join(event.pcm for event in events if isinstance(event, tts.Audio))


def same_sound(one: bytes, other: bytes) -> bool:
    """True when both are the same but for the noise of a bit or two that the resampler rounds with."""
    close = len(one) == len(other) and np.abs(to_float32(one) - to_float32(other)).max() <= 2 / 32_768
    return bool(close)


async def test_a_reply_is_spoken_with_marks_sentences_and_an_end() -> None:
    async with serving(EspeakEngine()) as server:
        events = await spoken(server.client, tts.Config(), *TEXT)
    text = "".join(TEXT)
    assert events[0] == tts.Ready("espeak", "en-us", 24_000)
    words = [text[event.first_character : event.end_character] for event in events if isinstance(event, tts.WordMark)]
    assert words == text.split()
    ends = [event for event in events if isinstance(event, tts.SentenceEnd)]
    assert [end.sentence for end in ends] == [0, 1]
    assert text[: ends[0].end_character].strip() == "Well, to be honest,"
    assert events[-1] == tts.Finished(len(sound(events)) // 2)


async def test_chunks_follow_each_other_without_a_gap_and_begin_small() -> None:
    async with serving(EspeakEngine()) as server:
        events = await spoken(server.client, tts.Config(), *TEXT)
    chunks = [event for event in events if isinstance(event, tts.Audio)]
    place = 0
    for chunk in chunks:
        assert chunk.first_sample == place
        place += len(chunk.pcm) // 2
    assert len(chunks[0].pcm) == 2 * 960
    assert max(len(chunk.pcm) for chunk in chunks) <= 2 * 4800


async def test_the_rules_of_all_languages_are_made_before_the_first_sentence() -> None:
    made = spoken_rules._scanner  # noqa: SLF001 - nothing else tells whether a sentence would wait for them
    made.cache_clear()
    async with serving(ScriptedEngine(0, 0.001)) as server:
        await spoken(server.client, tts.Config(), "It costs $5.")
        ready = made.cache_info().currsize
    for language in ("en", "en-GB", "de", "fr", "es"):
        normalize("5", language=language)
    assert made.cache_info().currsize == ready == 5


async def test_what_is_said_otherwise_has_one_mark_at_what_was_written() -> None:
    text = "It costs **$49.95**, on May 5, 2024 in the U.S. for 20 °C & more."
    async with serving(ScriptedEngine(0, 0.001)) as server:
        events = await spoken(server.client, tts.Config(language="en"), text)
    words = [text[event.first_character : event.end_character] for event in events if isinstance(event, tts.WordMark)]
    assert words == ["It", "costs", "$49.95", "on", "May 5, 2024", "in", "the", "U.S.", "for", "20 °C", "&", "more."]


@pytest.mark.parametrize("text", ["👍", " 🎉🎉\n", "❤️", "👩‍👩‍👧"])
async def test_a_reply_that_is_an_emoji_alone_says_its_name(text: str) -> None:
    async with serving(EspeakEngine()) as server:
        events = await spoken(server.client, tts.Config(), text)
    assert np.abs(to_float32(sound(events))).max() > 0.1
    [end] = [event for event in events if isinstance(event, tts.SentenceEnd)]
    assert end.end_character == len(text)


@pytest.mark.parametrize("text", ["Great! 👍", "👍 Great!", "---", "```\n👍\n```", "| --- |", "─────", "!"])
async def test_beside_words_and_in_code_an_emoji_is_not_said(text: str) -> None:
    async with serving(ScriptedEngine(0, 0.001)) as server:
        events = await spoken(server.client, tts.Config(language="en"), text)
    said = len([event for event in events if isinstance(event, tts.SentenceEnd)])
    assert said == ("Great" in text)


async def test_a_mark_comes_before_the_sound_of_its_word_except_in_the_first_chunk_which_nothing_holds_up() -> None:
    async with serving(EspeakEngine()) as server:
        events = await spoken(server.client, tts.Config(), *TEXT)
    kinds = [type(event) for event in events]
    assert kinds.index(tts.Audio) < kinds.index(tts.WordMark) < kinds.index(tts.Audio, kinds.index(tts.Audio) + 1)
    sent = first_chunk = 0
    for event in events:
        if isinstance(event, tts.Audio):
            sent = event.first_sample + len(event.pcm) // 2
            first_chunk = first_chunk or sent
        elif isinstance(event, tts.WordMark) and event.first_sample >= first_chunk:
            # The resampler holds a few milliseconds back; a word begins with what is still to come.
            assert event.first_sample >= sent - 480


async def test_joins_do_not_click() -> None:
    async with serving(EspeakEngine()) as server:
        events = await spoken(server.client, tts.Config(), *TEXT)
    samples = to_float32(sound(events))
    inside = np.abs(np.diff(samples))
    ends = [event.end_sample for event in events if isinstance(event, tts.SentenceEnd)]
    for end in ends[:-1]:
        assert inside[end - 24 : end + 24].max() < 0.05


@pytest.mark.parametrize("rate_hz", [16_000, 24_000, 48_000])
async def test_between_two_sentences_there_is_a_breath_and_none_before_the_first(rate_hz: int) -> None:
    text = "It is late in the evening now. It is dark outside as well. Good night to all of you."
    async with serving(ScriptedEngine(0, 0.02)) as server:
        events = await spoken(server.client, tts.Config(sample_rate_hz=rate_hz), text)
    samples, breath = to_float32(sound(events)), round(0.12 * rate_hz)
    ends = [event for event in events if isinstance(event, tts.SentenceEnd)]
    assert len(ends) == 3
    marks = {event.first_character: event.first_sample for event in events if isinstance(event, tts.WordMark)}
    start = start_character = 0
    for number, end in enumerate(ends):
        pause = breath if number else 0
        assert not samples[start : start + pause].any()
        assert np.abs(samples[start + pause : start + pause + rate_hz // 100]).max() > 0.01
        assert end.end_sample - start == pause + round((end.end_character - start_character) * 0.02 * rate_hz)
        word = start_character + len(text[start_character:]) - len(text[start_character:].lstrip())
        assert 0 <= marks[word] - (start + pause) <= 0.02 * rate_hz
        start, start_character = end.end_sample, end.end_character


async def test_the_first_clause_is_spoken_while_the_rest_is_still_being_written() -> None:
    written = asyncio.Event()

    async def slow() -> AsyncIterator[tts.Request]:
        yield "Well, to be honest, I"
        await written.wait()
        yield " do not know."

    async with serving(ScriptedEngine(0, 0.01)) as server, server.client.synthesize(tts.Config(), slow()) as events:
        async with asyncio.timeout(2):
            while not isinstance(await anext(events), tts.Audio):
                pass
        written.set()
        rest = [event async for event in events]
    assert isinstance(rest[-1], tts.Finished)


async def test_what_there_is_can_be_asked_for() -> None:
    async def unfinished() -> AsyncIterator[tts.Request]:
        yield "Hm"
        yield tts.SpeakNow()
        await asyncio.Event().wait()

    async with (
        serving(ScriptedEngine(0, 0.01)) as server,
        server.client.synthesize(tts.Config(), unfinished()) as events,
    ):
        async with asyncio.timeout(2):
            while not isinstance(await anext(events), tts.SentenceEnd):
                pass


async def test_leaving_stops_the_engine() -> None:
    engine = Endless()
    async with serving(engine) as server:
        async with server.client.synthesize(tts.Config(), texts("Some words to be spoken.")) as events:
            while not isinstance(await anext(events), tts.Audio):
                pass
            left = time.monotonic()
        # To look again and again would leave the threads that carry the news no time.
        assert await asyncio.to_thread(engine.has_stopped.wait, 10)
        async with asyncio.timeout(10):
            while not server.telemetry.registry.get_sample_value(
                "parley_cancel_to_idle_seconds_count", {"service": "tts"}
            ):
                await asyncio.sleep(0)
    assert engine.stopped - left < 1


async def test_a_sentence_is_in_the_queue_until_the_engine_is_free_and_a_caller_who_leaves_takes_it_along() -> None:
    engine = Endless()
    async with serving(engine) as server:
        async with server.client.synthesize(tts.Config(), texts("Some words to be spoken.")) as first:
            while not isinstance(await anext(first), tts.Audio):
                pass
            assert server.number("parley_queue_depth") == 0
            async with server.client.synthesize(tts.Config(), texts("Others have to wait.")) as second:
                await anext(second)
                async with asyncio.timeout(10):
                    while server.number("parley_queue_depth") != 1:
                        await asyncio.sleep(0)
            async with asyncio.timeout(10):
                while server.number("parley_queue_depth"):
                    await asyncio.sleep(0)
        assert server.number("parley_batch_size_count") == server.number("parley_batch_size_sum") == 1


async def test_the_servers_own_numbers_tell_of_its_engine_and_lead_to_the_turn_if_it_is_sampled() -> None:
    kept, dropped = SpanIdentity.new(), replace(SpanIdentity.new(), sampled=False)
    async with serving(ScriptedEngine(0, 0.01)) as server:
        for turn in (kept, dropped):
            await spoken(server.client, tts.Config(traceparent=turn.traceparent), "Some words to be spoken.")
        page = generate_latest(server.telemetry.registry).decode()  # type: ignore[no-untyped-call]  # theirs has no types
        assert server.number("parley_real_time_factor_count") == 2
        assert server.number("parley_batch_size_count") == 2
    led = {line.partition("{")[0] for line in page.splitlines() if kept.trace_id_hex in line}
    assert led == {"parley_tts_server_ttfa_seconds_bucket"}
    assert dropped.trace_id_hex not in page


async def test_speech_that_was_broken_off_has_no_real_time_factor() -> None:
    async with serving(Endless()) as server:
        async with server.client.synthesize(tts.Config(), texts("Some words to be spoken.")) as events:
            while not isinstance(await anext(events), tts.Audio):
                pass
        async with asyncio.timeout(10):
            while not server.number("parley_cancel_to_idle_seconds_count"):
                await asyncio.sleep(0)
        assert server.number("parley_real_time_factor_count") == 0


async def test_one_who_takes_nothing_does_not_keep_the_engine_from_others() -> None:
    sentence = "This is a sentence of some length that somebody has spoken to them and never takes. "
    async with (
        serving(ScriptedEngine(0, 0.2)) as server,
        server.client.synthesize(tts.Config(sample_rate_hz=48_000), texts(sentence * 3)) as idle,
    ):
        assert isinstance(await anext(idle), tts.Ready)
        async with asyncio.timeout(5):
            assert sound(await spoken(server.client, tts.Config(), "Me too."))


async def test_one_who_leaves_does_not_disturb_the_next() -> None:
    async with serving(EspeakEngine()) as server:
        whole = sound(await spoken(server.client, tts.Config(), *TEXT))
        async with server.client.synthesize(tts.Config(), texts("A long story. " * 50)) as events:
            await anext(events)
            await anext(events)
        again = sound(await spoken(server.client, tts.Config(), *TEXT))
    assert abs(len(again) - len(whole)) < 2 * 2400


async def test_text_without_words_is_no_sound_and_no_error() -> None:
    async with serving(EspeakEngine()) as server:
        events = await spoken(server.client, tts.Config(), "*** ", "\n")
    assert sound(events) == b""
    assert events[-1] == tts.Finished(0)


@pytest.mark.parametrize("rate", [16_000, 24_000, 48_000])
async def test_the_length_is_the_same_at_every_rate(rate: int) -> None:
    async with serving(EspeakEngine()) as server:
        pcm = sound(await spoken(server.client, tts.Config(sample_rate_hz=rate), "Please tell me more."))
        reference = sound(await spoken(server.client, tts.Config(), "Please tell me more."))
    assert abs(len(pcm) / rate - len(reference) / 24_000) < 0.1


@pytest.mark.parametrize(
    ("config", "field"),
    [
        (tts.Config(voice="nobody"), "voice"),
        (tts.Config(language="tlh"), "language"),
        (tts.Config(sample_rate_hz=44_100), "config.sample_rate_hz"),
        (tts.Config(speed=9.0), "config.speed"),
    ],
)
async def test_bad_input_is_refused_with_the_field_at_fault(config: tts.Config, field: str) -> None:
    error: type[ParleyError] = InvalidInput
    async with serving(ScriptedEngine(0, 0.01)) as server:
        with pytest.raises(error) as caught:
            await spoken(server.client, config, "Hello.")
    assert caught.value.field == field


async def test_voices_can_be_listed_by_language() -> None:
    async with serving(EspeakEngine()) as server:
        voices = await server.client.voices("en")
    assert voices[0] == tts.Voice("en-us", "en-us", voices[0].description, 22_050)
    assert all(voice.language.startswith("en") for voice in voices)


async def test_what_was_said_before_is_said_again_from_the_cache_and_seen_to_be() -> None:
    async with serving(EspeakEngine(), store=MemoryStore(10_000_000)) as server:
        made = await spoken(server.client, tts.Config(), *TEXT)
        again = await spoken(server.client, tts.Config(), *TEXT)
        counted = [
            server.telemetry.registry.get_sample_value("parley_tts_cache_total", {"result": result})
            for result in ("miss", "hit")
        ]
        spans = [span.attributes["parley.cached"] for span in server.spans.get_finished_spans() if span.attributes]
    assert same_sound(sound(again), sound(made))
    assert [event for event in again if isinstance(event, tts.WordMark)] == [
        event for event in made if isinstance(event, tts.WordMark)
    ]
    ends = [event.cached for event in made + again if isinstance(event, tts.SentenceEnd)]
    assert ends == spans == [False, False, True, True]
    assert counted == [2, 2]


async def test_code_is_not_read_aloud_however_many_sentences_it_has() -> None:
    text = "Here is how. ```\nFirst line of it. Second line of it.\nThird line of it.\n``` That is all of it."
    async with serving(ScriptedEngine(0, 0.001)) as server:
        events = await spoken(server.client, tts.Config(), text)
    said = [text[event.first_character : event.end_character] for event in events if isinstance(event, tts.WordMark)]
    assert said == ["Here", "is", "how.", "That", "is", "all", "of", "it."]
