"""Real recordings through the whole hearing: their words come out, and nothing comes out of what is no speech."""

from __future__ import annotations

import asyncio
import re
import time
from itertools import pairwise
from typing import TYPE_CHECKING

import jiwer
import pytest
from prometheus_client import CollectorRegistry

from asr_server.engines.moonshine.engine import MoonshineEngine, cut
from asr_server.front_end.front_end import FrontEndConfig
from asr_server.metrics import AsrMetrics
from asr_server.scheduler import Scheduler
from asr_server.stream import Stream
from asr_server.transcriber import Models
from asr_server.turn_telemetry import TurnTelemetry
from parley import asr
from parley.audio import decode_file, to_float32
from serving.telemetry import Telemetry, new_provider

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from asr_server.engine import Engine
    from serving.threads import Worker

CHUNK_BYTES = 1280
SILENCE = bytes(2 * 16_000 * 2)
NUMBERS = {
    "0": "zero", "1": "one", "2": "two", "3": "three", "4": "four", "5": "five", "6": "six", "7": "seven", "8": "eight",
    "10": "ten", "14": "fourteen", "16": "sixteen", "30": "thirty", "35": "thirty five", "40": "forty",
}  # fmt: skip
NOT_SPEECH = ("not-speech-2", "not-speech-5", "not-speech-7", "not-speech-9", "noise-2", "noise-5", "leopard-empty")


def words(text: str) -> str:
    """Words as they compare: without case, punctuation and numerals."""
    plain = text.lower().replace("mr.", "mister").replace("%", " percent").replace("-", " ")
    found = [NUMBERS.get(word, word) for word in re.sub(r"[^\w' ]+", " ", plain).split()]
    return " ".join(found).replace("per cent", "percent").replace("p m", "pm")


async def hear(
    engine: Engine, worker: Worker, said: bytes | Sequence[asr.Audio], front_end: FrontEndConfig | None = None
) -> list[asr.Event]:
    """Everything that is heard in PCM with two seconds of silence after it, or in messages."""
    telemetry = Telemetry(new_provider("test"), CollectorRegistry())
    events: list[asr.Event] = []

    async def write(event: asr.Event) -> None:
        events.append(event)

    models = Models(engine, Scheduler(worker), front_end=front_end or FrontEndConfig())
    messages = in_chunks(said + SILENCE) if isinstance(said, bytes) else said
    async with asyncio.TaskGroup() as tasks:
        spans = TurnTelemetry(telemetry, AsrMetrics(telemetry, models.scheduler), "test")
        stream = Stream(tasks, models, asr.Config(language="en"), spans, write)
        tasks.create_task(stream.run())
        for message in messages:
            await stream.take(message)
        stream.close()
    return events


def in_chunks(sound: bytes) -> list[asr.Audio]:
    return [asr.Audio(sound[start : start + CHUNK_BYTES], start // 2) for start in range(0, len(sound), CHUNK_BYTES)]


def turns(events: list[asr.Event]) -> list[asr.EndOfTurn]:
    return [event for event in events if isinstance(event, asr.EndOfTurn)]


@pytest.mark.timeout(120)
async def test_streamed_speech_has_the_words_that_the_engine_hears_in_the_whole_file(
    engine: MoonshineEngine, worker: Worker, speech_dir: Path
) -> None:
    references, streamed, whole = [], [], []
    recognizer = engine.recognizer("en", ())
    for reference in sorted(speech_dir.glob("*.txt")):
        pcm = decode_file(reference.with_suffix(".flac"), 16_000)
        references.append(words(reference.read_text()))
        streamed.append(words(" ".join(turn.text for turn in turns(await hear(engine, worker, pcm)))) or "-")
        whole.append(words(recognizer.transcribe(to_float32(pcm), final=True).text) or "-")
    assert len(references) >= 30
    assert jiwer.wer(references, streamed) <= jiwer.wer(references, whole) + 0.02


@pytest.mark.parametrize("name", NOT_SPEECH)
async def test_what_is_no_speech_is_no_turn(
    engine: MoonshineEngine, worker: Worker, speech_dir: Path, name: str
) -> None:
    events = await hear(engine, worker, decode_file(speech_dir / f"{name}.flac", 16_000))
    assert turns(events) == []


async def test_every_sample_is_accounted_for(engine: MoonshineEngine, worker: Worker, speech_dir: Path) -> None:
    pcm = decode_file(speech_dir / "watson-pause.flac", 16_000)
    events = await hear(engine, worker, pcm)
    acks = [event.end_sample for event in events if isinstance(event, asr.AudioAck)]
    assert acks == sorted(acks)
    received = (len(pcm) + len(SILENCE)) // 2
    # What is left is less than a window, and the sound kept for a next turn's first syllable.
    assert received - acks[-1] <= 512 + round(0.3 * 16_000)
    spans = [(turn.first_sample, turn.end_sample) for turn in turns(events)]
    assert all(one[1] <= other[0] for one, other in pairwise(spans))


async def test_no_call_leaves_anything_behind_for_the_next(engine: MoonshineEngine, speech_dir: Path) -> None:
    recognizer = engine.recognizer("en", ())
    lamp = to_float32(decode_file(speech_dir / "living-room-lamp.flac", 16_000))
    first = recognizer.transcribe(lamp, final=True).text
    for name in ("jfk", "noise-5", "v2j-time"):
        recognizer.transcribe(to_float32(decode_file(speech_dir / f"{name}.flac", 16_000)), final=True)
    assert recognizer.transcribe(lamp, final=True).text == first
    assert not first.lower().startswith("you")


def test_long_audio_is_cut_where_it_is_quiet(speech_dir: Path) -> None:
    audio = to_float32(decode_file(speech_dir / "lecture-with-pauses.flac", 16_000))
    parts = cut(audio)
    assert sum(len(part) for part in parts) == len(audio)
    assert max(len(part) for part in parts) <= 14 * 16_000
    loudness = float((audio**2).mean())
    assert all(float((part[-400:] ** 2).mean()) < loudness for part in parts[:-1])


async def test_the_end_of_speech_is_found_within_a_few_windows(
    engine: MoonshineEngine, worker: Worker, speech_dir: Path
) -> None:
    pcm = decode_file(speech_dir / "ms-initial-silence.flac", 16_000)
    began = time.monotonic()
    (turn,) = turns(await hear(engine, worker, pcm))
    assert time.monotonic() - began < 30
    # By ear, the words are from 5.4 s to 7.4 s.
    assert 5.0 < turn.first_sample / 16_000 < 5.9
    assert 7.0 < turn.speech_end_sample / 16_000 < 7.8
    assert turn.timings.endpoint_ms < 400
