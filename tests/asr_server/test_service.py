"""The ASR service over a real port: what it takes, what it refuses, and what it says of a turn."""

from __future__ import annotations

import asyncio
import math
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.exposition import generate_latest

from asr_server.endpointing.endpointer import HOLD_OVER_SAMPLES, WINDOW_SAMPLES
from asr_server.endpointing.turn_model import TurnDetector
from asr_server.engine import AUTO, Batching, Transcript
from asr_server.engines.scripted import ScriptedEngine, ScriptedRecognizer
from asr_server.front_end.front_end import FrontEndConfig
from asr_server.scheduler import Scheduler
from asr_server.service import SERVICE, AsrServicer
from asr_server.transcriber import Models
from parley import asr
from parley._channel import open_channel
from parley._multiplexer import Multiplexer
from parley._pushed import Pushed
from parley.errors import InvalidInput, Overloaded, ParleyError, TooLarge, WrongState
from parley.v1.asr_pb2_grpc import add_AsrServiceServicer_to_server
from serving.grpc_server import Listen, started
from serving.telemetry import SpanIdentity, Telemetry, new_provider
from serving.threads import Worker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from numpy.typing import NDArray

    from asr_server.engine import Engine

LOUD = (np.sin(np.arange(640) * 0.3) * 8000).astype("<i2").tobytes()
QUIET = bytes(1280)


@asynccontextmanager
async def serving(  # noqa: PLR0913 - a test names what it changes
    texts: tuple[str, ...] = ("turn on the lamp",),
    max_streams: int = 10,
    delay_seconds: float = 0.0,
    engine: Engine | None = None,
    *,
    turn_detector: TurnDetector | None = None,
    registry: CollectorRegistry | None = None,
    front_end: FrontEndConfig | None = None,
    shares_a_stream: bool = False,
) -> AsyncIterator[asr.AsrClient]:
    worker = Worker("test")
    telemetry = Telemetry(new_provider("asr"), registry or CollectorRegistry())
    engine = engine or ScriptedEngine(texts, delay_seconds)
    scheduler = Scheduler(worker, engine if isinstance(engine, Batching) else None)
    models = Models(engine, scheduler, turn_detector or TurnDetector(), front_end or FrontEndConfig())
    servicer = AsrServicer(models, telemetry, max_streams)
    listen = Listen("127.0.0.1", 0, "PARLEY_ASR_PORT", 0, 0.0, 64 * 1024)
    async with started(SERVICE, lambda server: add_AsrServiceServicer_to_server(servicer, server), listen) as (
        port,
        ready,
    ):
        await ready()
        channel = open_channel(f"127.0.0.1:{port}", SERVICE)
        multiplexer = Multiplexer(channel, "asr", 64 * 1024) if shares_a_stream else None
        async with asr.AsrClient(channel, multiplexer=multiplexer) as client, AsyncExitStack() as stack:
            if multiplexer is not None:
                tasks = await stack.enter_async_context(asyncio.TaskGroup())
                stack.callback(tasks.create_task(multiplexer.run()).cancel)
            yield client
    worker.close()


def chunks(*runs: tuple[bytes, float], first_sample: int = 0) -> list[asr.Request]:
    """Audio of (chunk, seconds) runs, 40 ms a message."""
    sound = [chunk for chunk, seconds in runs for _ in range(round(seconds / 0.04))]
    return [asr.Audio(chunk, first_sample + place * 640) for place, chunk in enumerate(sound)]


async def sending(*requests: asr.Request) -> AsyncIterator[asr.Request]:
    for request in requests:
        yield request


async def heard(client: asr.AsrClient, *requests: asr.Request) -> list[asr.Event]:
    async with client.transcribe(sending(*requests)) as events:
        return [event async for event in events]


def names(events: list[asr.Event]) -> list[str]:
    return [type(event).__name__ for event in events if not isinstance(event, asr.AudioAck | asr.Partial)]


async def test_a_turn_is_told_from_its_first_voice_to_its_words() -> None:
    async with serving() as client:
        events = await heard(client, asr.Config(), *chunks((QUIET, 0.4), (LOUD, 1.0), (QUIET, 1.0)))
    assert names(events) == ["Ready", "VoiceOnset", "SpeechStarted", "VoiceStopped", "EagerEndOfTurn", "EndOfTurn"]
    end = next(event for event in events if isinstance(event, asr.EndOfTurn))
    assert end.text == "turn on the lamp"
    assert end.reason is asr.EndReason.SILENCE
    assert 0.64 <= end.timings.endpoint_ms / 1000 <= 0.72, "nothing is known of the speaker yet"


@pytest.mark.parametrize("shares_a_stream", [True, False])
async def test_what_is_pushed_goes_up_in_its_order_over_either_kind_of_stream(shares_a_stream: bool) -> None:  # noqa: FBT001 - pytest names it
    sent: list[asr.Request] = []
    async with serving(shares_a_stream=shares_a_stream) as client:
        requests: Pushed[asr.Request] = Pushed(asr.Config(), sent.append)
        said = [*chunks((QUIET, 0.4), (LOUD, 1.0), (QUIET, 1.0)), asr.Flush()]
        for request in said[:10]:
            requests.put(request)
        requests.put_all(said[10:])
        heard: list[asr.Event] = []
        async with client.transcribe(requests) as events:
            assert not sent, "a server that has not answered is sent nothing"
            async for event in events:
                heard.append(event)
                if isinstance(event, asr.AudioAck) and event.received_samples == 60 * 640:
                    break
    assert "EndOfTurn" in names(heard)
    assert sent[:60] == said[:60], "more than the credit that a call begins with"


async def test_the_servers_own_numbers_tell_of_its_engine_and_lead_to_the_turn() -> None:
    registry, turn = CollectorRegistry(), SpanIdentity.new()
    async with serving(registry=registry) as client:
        await heard(client, asr.Config(traceparent=turn.traceparent), *chunks((LOUD, 1.0), (QUIET, 1.0)))
    calls = registry.get_sample_value("parley_batch_size_count", {"service": "asr"})
    assert calls
    assert registry.get_sample_value("parley_batch_size_sum", {"service": "asr"}) == calls
    assert registry.get_sample_value("parley_real_time_factor_count", {"service": "asr"}) == calls
    assert registry.get_sample_value("parley_queue_depth", {"service": "asr"}) == 0
    page = generate_latest(registry).decode()  # type: ignore[no-untyped-call]  # theirs has no types
    led = [line.partition("{")[0] for line in page.splitlines() if turn.trace_id_hex in line]
    assert led == ["parley_asr_server_final_seconds_bucket"]


async def test_words_that_look_unfinished_wait_longer_and_start_nothing_early() -> None:
    async with serving(("turn on the",)) as client:
        events = await heard(client, asr.Config(), *chunks((LOUD, 1.0), (QUIET, 2.0)))
    assert "EagerEndOfTurn" not in names(events)
    assert waits_ms(events)[0] >= 1500


async def test_a_speaker_who_goes_on_makes_the_head_start_void() -> None:
    async with serving() as client:
        sound = chunks((LOUD, 0.6), (QUIET, 0.28), (LOUD, 0.6), (QUIET, 1.0))
        events = await heard(client, asr.Config(), *sound)
    said = names(events)
    assert said.index("EagerEndOfTurn") < said.index("TurnResumed") < said.index("EndOfTurn")
    assert said.count("EndOfTurn") == 1


async def test_two_turns_in_a_row_have_their_own_words_and_numbers() -> None:
    async with serving(("first one", "second one")) as client:
        sound = chunks((LOUD, 1.0), (QUIET, 0.8), (LOUD, 0.5), (QUIET, 0.8))
        events = await heard(client, asr.Config(), *sound)
    ends = [(event.turn, event.text) for event in events if isinstance(event, asr.EndOfTurn)]
    assert ends == [(1, "first one"), (2, "second one")]


async def test_a_knock_is_discarded_and_its_number_used_again() -> None:
    async with serving() as client:
        sound = chunks((QUIET, 0.4), (LOUD, 0.08), (QUIET, 1.0), (LOUD, 1.0), (QUIET, 1.0))
        events = await heard(client, asr.Config(), *sound)
    gone = next(event for event in events if isinstance(event, asr.TurnDiscarded))
    assert (gone.turn, gone.reason) == (1, asr.DiscardReason.TOO_SHORT)
    assert next(event for event in events if isinstance(event, asr.EndOfTurn)).turn == 1


async def test_letting_go_of_the_key_ends_the_turn_at_once() -> None:
    async with serving() as client:
        events = await heard(
            client, asr.Config(), *chunks((LOUD, 0.6)), asr.Flush(), *chunks((QUIET, 0.2), first_sample=9600)
        )
    end = next(event for event in events if isinstance(event, asr.EndOfTurn))
    assert end.reason is asr.EndReason.FLUSH


async def test_closing_the_stream_finalises_what_was_said() -> None:
    async with serving() as client:
        events = await heard(client, asr.Config(), *chunks((LOUD, 0.6)))
    assert next(event for event in events if isinstance(event, asr.EndOfTurn)).reason is asr.EndReason.STREAM_END


async def test_a_stream_may_begin_in_the_middle_of_a_session() -> None:
    async with serving() as client:
        config = asr.Config(first_sample=160_000, first_turn=7)
        events = await heard(client, config, *chunks((LOUD, 0.6), (QUIET, 1.0), first_sample=160_000))
    end = next(event for event in events if isinstance(event, asr.EndOfTurn))
    assert end.turn == 7
    assert end.first_sample >= 160_000


async def test_a_gap_is_filled_with_silence_and_an_overlap_is_dropped() -> None:
    async with serving() as client:
        sound = [
            *chunks((LOUD, 0.6)),
            *chunks((LOUD, 0.2), first_sample=6400),
            *chunks((QUIET, 0.4), first_sample=32_000),
        ]
        events = await heard(client, asr.Config(), *sound)
    end = next(event for event in events if isinstance(event, asr.EndOfTurn))
    # 0.6 s of voice; the overlap ends at the same sample, and the gap after it is the silence that ends the turn.
    assert 9_000 <= end.speech_end_sample <= 10_500


async def test_endpointing_can_be_changed_while_the_stream_runs() -> None:
    async with serving() as client:
        update = asr.Config(endpointing=asr.Endpointing(finished_silence_ms=800, eager_silence_ms=0))
        events = await heard(client, asr.Config(), update, *chunks((LOUD, 0.6), (QUIET, 1.5)))
    assert "EagerEndOfTurn" not in names(events)
    assert 800 <= waits_ms(events)[0] < 850


@pytest.mark.parametrize(
    ("requests", "error", "field"),
    [
        (chunks((LOUD, 0.1)), InvalidInput, "config"),
        ([asr.Config(sample_rate_hz=8000)], InvalidInput, "config.sample_rate_hz"),
        ([asr.Config(language="tlh")], InvalidInput, "config.language"),
        ([asr.Config(hints=("x",) * 101)], InvalidInput, "config.hints"),
        ([asr.Config(hints=("x" * 201,))], InvalidInput, "config.hints"),
        ([asr.Config(hints=("\u0301" * 5_000,) * 3)], InvalidInput, "config.hints"),
        ([asr.Config(), asr.Config(hints=("x",) * 101)], InvalidInput, "config.hints"),
        ([asr.Config(hints=("",) * 10_000)], InvalidInput, "config.hints"),
        ([asr.Config(endpointing=asr.Endpointing(start_threshold=2.0))], InvalidInput, "endpointing.start_threshold"),
        ([asr.Config(), asr.Audio(b"123", 0)], InvalidInput, "audio.pcm"),
        ([asr.Config(), asr.Audio(bytes(62_000), 0)], TooLarge, "audio.pcm"),
        ([asr.Config(), asr.Audio(QUIET, 10_000_000)], InvalidInput, "audio.first_sample"),
        ([asr.Config(), asr.Config(sample_rate_hz=8000)], WrongState, "config.sample_rate_hz"),
        ([asr.Config(), asr.Config(language="fr")], WrongState, "config.language"),
    ],
)
async def test_bad_input_is_refused_with_the_field_at_fault(
    requests: list[asr.Request], error: type[ParleyError], field: str
) -> None:
    async with serving() as client:
        with pytest.raises(error) as caught:
            await heard(client, *requests)
    assert caught.value.field == field


async def test_a_full_server_says_when_to_come_again() -> None:
    async def staying() -> AsyncIterator[asr.Request]:
        yield asr.Config()
        await asyncio.Event().wait()

    async with serving(max_streams=1) as client, client.transcribe(staying()) as events:
        assert isinstance(await anext(events), asr.Ready)
        with pytest.raises(Overloaded) as caught:
            await heard(client, asr.Config())
    assert caught.value.retry_after_ms == 1000


QUICK_TURN = ((LOUD, 0.8), (QUIET, 2.4))
HALTING_TURN = ((LOUD, 0.6), (QUIET, 0.44), (LOUD, 0.6), (QUIET, 2.4))


def waits_ms(events: list[asr.Event]) -> list[float]:
    """The silences that the endpointer counted, turn by turn."""
    # What is told counts from where the sound fell. The endpointer counts from the end of that window, and takes off
    # what a real detector holds over; the scripted one holds nothing over.
    ends = [event for event in events if isinstance(event, asr.EndOfTurn)]
    last_windows = [math.ceil(end.speech_end_sample / WINDOW_SAMPLES) * WINDOW_SAMPLES for end in ends]
    return [(end.end_sample - last + HOLD_OVER_SAMPLES) / 16 for end, last in zip(ends, last_windows, strict=True)]


async def test_who_speaks_in_one_breath_is_answered_sooner_turn_by_turn() -> None:
    async with serving() as client:
        waits = waits_ms(await heard(client, asr.Config(), *chunks((QUIET, 0.4), *(QUICK_TURN * 5))))
    assert waits == sorted(waits, reverse=True)
    assert waits[0] > 680
    assert waits[-1] < 380


async def test_who_pauses_within_a_turn_is_given_time_again() -> None:
    runs = ((QUIET, 0.4), *HALTING_TURN, *QUICK_TURN)
    async with serving() as client:
        events = await heard(client, asr.Config(), *chunks(*runs))
    ends = [event for event in events if isinstance(event, asr.EndOfTurn)]
    assert [end.longest_pause_ms > 400 for end in ends] == [True, False]
    assert all(wait > 680 for wait in waits_ms(events))


async def test_a_turn_that_was_ended_too_early_makes_the_server_patient() -> None:
    cut = ((LOUD, 0.6), (QUIET, 0.6), (LOUD, 0.6), (QUIET, 2.4))
    async with serving() as client:
        waits = waits_ms(await heard(client, asr.Config(), *chunks((QUIET, 0.4), *(QUICK_TURN * 4), *cut, *QUICK_TURN)))
    assert len(waits) == 7, "the halting turn was cut in two"
    assert waits[4] < 400
    assert waits[6] > 680


async def test_nothing_is_learnt_from_an_echo() -> None:
    async with serving() as client:
        events = await heard(
            client,
            asr.Config(),
            *chunks((QUIET, 0.4), *QUICK_TURN),
            asr.TurnContext(2, "", previous_ignored=True),
            *chunks(*QUICK_TURN, first_sample=round(3.6 * 16_000)),
        )
    waits = waits_ms(events)
    assert waits[0] == pytest.approx(waits[1], abs=33)


async def test_a_session_may_bound_the_patience() -> None:
    config = asr.Config(endpointing=asr.Endpointing(patient_silence_ms=320))
    async with serving() as client:
        waits = waits_ms(await heard(client, config, *chunks((QUIET, 0.4), *QUICK_TURN)))
    assert waits[0] < 380


@pytest.mark.parametrize("text", ["tell me more.", "is it late?", "well then,", "and the", "one two three"])
async def test_a_session_may_have_one_silence_for_every_end(text: str) -> None:
    one = asr.Endpointing(
        finished_silence_ms=300,
        default_silence_ms=300,
        hesitant_silence_ms=300,
        unfinished_silence_ms=300,
        dictation_silence_ms=300,
        patient_silence_ms=300,
        patience_limit_ms=300,
    )
    async with serving((text,)) as client:
        waits = waits_ms(
            await heard(client, asr.Config(endpointing=one), *chunks((QUIET, 0.4), *QUICK_TURN, *QUICK_TURN))
        )
    assert len(waits) == 2
    assert all(300 <= wait < 300 + 32 for wait in waits)


async def test_a_word_too_short_for_speech_is_heard_while_the_assistant_speaks() -> None:
    async with serving(("stop",)) as client:
        events = await heard(
            client, asr.Config(), asr.Assistant.SPEAKING, *chunks((QUIET, 0.4), (LOUD, 0.28), (QUIET, 1.0))
        )
    assert [event.text for event in events if isinstance(event, asr.Partial)][:1] == ["stop"]
    assert [event.text for event in events if isinstance(event, asr.EndOfTurn)] == ["stop"]


class German(ScriptedRecognizer):
    def transcribe(self, audio: NDArray[np.float32], *, final: bool) -> Transcript:
        return replace(super().transcribe(audio, final=final), language="de", language_confidence=0.75)


class Polyglot(ScriptedEngine):
    """Finds out what language it hears."""

    languages: tuple[str, ...] = ("en", "de", AUTO)

    def recognizer(self, language: str, hints: tuple[str, ...]) -> ScriptedRecognizer:
        return German(("wie spät ist es?",), 0.0) if language == AUTO else super().recognizer(language, hints)


async def test_a_language_that_is_found_out_is_said_with_its_confidence() -> None:
    async with serving(engine=Polyglot(("hello",), 0.0)) as client:
        events = await heard(client, asr.Config(language="auto"), *chunks((LOUD, 1.0), (QUIET, 1.0)))
        given = await heard(client, asr.Config(), *chunks((LOUD, 1.0), (QUIET, 1.0)))
    assert isinstance(events[0], asr.Ready)
    assert events[0].language == "auto"
    end = next(event for event in events if isinstance(event, asr.EndOfTurn))
    assert (end.language, end.language_confidence) == ("de", 0.75)
    end = next(event for event in given if isinstance(event, asr.EndOfTurn))
    assert (end.language, end.language_confidence) == ("en", None)


async def test_an_engine_that_cannot_find_the_language_out_is_not_asked_to() -> None:
    async with serving() as client:
        with pytest.raises(InvalidInput, match="language 'auto': scripted has en"):
            await heard(client, asr.Config(language="auto"))
