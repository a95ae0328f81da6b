"""Sounds that an engine fails on: asked once more, then the turn is discarded, and everything else goes on."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from asr_server.endpointing.turn_model import TurnDetector
from asr_server.engines.scripted import ScriptedEngine, ScriptedRecognizer
from parley import asr
from parley.errors import EngineFailed
from serving.telemetry import SpanIdentity
from tests.asr_server.test_service import LOUD, QUIET, chunks, heard, names, serving, waits_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from asr_server.engine import Job, Transcript
    from serving.threads import Worker

HALF_AS_LOUD = (np.frombuffer(LOUD, "<i2") // 2).astype("<i2").tobytes()
# Full scale is 1.
TOO_LOUD = 0.2
ERRORS = [
    pytest.param(lambda: EngineFailed("no"), id="Parley's own"),
    pytest.param(lambda: RuntimeError("no"), id="RuntimeError"),
    pytest.param(lambda: ValueError("no"), id="ValueError"),
    pytest.param(lambda: MemoryError("no"), id="MemoryError"),
]


class Delicate(ScriptedEngine):
    """Fails on some sounds, and counts what it is asked."""

    def __init__(
        self,
        error: Callable[[], Exception] = lambda: RuntimeError("no"),
        *,
        finals: bool = True,
        partials: bool = True,
        times: int = 1_000,
    ) -> None:
        super().__init__(("turn on the lamp",), 0.0)
        self.error = error
        self.fails = {True: finals, False: partials}
        self.times = times
        self.asked: list[bool] = []

    def recognizer(self, language: str, hints: tuple[str, ...]) -> ScriptedRecognizer:
        return DelicateRecognizer(self)


class DelicateRecognizer(ScriptedRecognizer):
    def __init__(self, engine: Delicate) -> None:
        super().__init__(("turn on the lamp",), 0.0)
        self._engine = engine

    def transcribe(self, audio: NDArray[np.float32], *, final: bool) -> Transcript:
        engine = self._engine
        if float(np.abs(audio).max(initial=0)) > TOO_LOUD:
            engine.asked.append(final)
            if engine.fails[final] and engine.times:
                engine.times -= 1
                raise engine.error()
        return super().transcribe(audio, final=final)


class DelicateTogether(Delicate):
    """The same, several at once."""

    most = 8

    def transcribe_together(self, jobs: Sequence[Job]) -> list[Transcript | Exception]:
        return [self._one(job) for job in jobs]

    def _one(self, job: Job) -> Transcript | Exception:
        try:
            return job.recognizer.transcribe(job.audio, final=job.final)
        except (EngineFailed, RuntimeError, ValueError, MemoryError) as error:
            return error


def failures(registry: CollectorRegistry) -> dict[str, int]:
    kinds = ("final", "pause", "partial", "turn_model")
    values = {kind: registry.get_sample_value("parley_asr_engine_failures_total", {"asked": kind}) for kind in kinds}
    return {kind: round(value) for kind, value in values.items() if value}


TURN = SpanIdentity(0xABC, 0xDE)
TURNS = chunks((QUIET, 0.4), (LOUD, 1.0), (QUIET, 1.6), (HALF_AS_LOUD, 1.0), (QUIET, 1.6))


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("kind", [Delicate, DelicateTogether])
async def test_a_turn_that_the_engine_fails_on_twice_is_discarded_and_the_next_one_is_heard(
    kind: type[Delicate], error: Callable[[], Exception]
) -> None:
    engine, registry = kind(error), CollectorRegistry()
    async with serving(engine=engine, registry=registry) as client:
        events = await heard(client, asr.Config(partials=False), *TURNS)
    assert names(events) == [
        *("Ready", "VoiceOnset", "SpeechStarted", "VoiceStopped", "TurnDiscarded"),
        *("VoiceOnset", "SpeechStarted", "VoiceStopped", "EagerEndOfTurn", "EndOfTurn"),
    ]
    gone = next(event for event in events if isinstance(event, asr.TurnDiscarded))
    end = next(event for event in events if isinstance(event, asr.EndOfTurn))
    assert gone.reason is asr.DiscardReason.ENGINE_FAILED
    assert (gone.turn, end.turn) == (1, 1), "the number of a turn that is discarded is used again"
    # Its sound is accounted for: from the pre-roll to the silence that ends a turn of which nothing is known.
    assert gone.first_sample == pytest.approx(1_600, abs=512)
    assert gone.end_sample == pytest.approx(1.9 * 16_000, abs=1_024)
    assert [event.end_sample for event in events if isinstance(event, asr.AudioAck)][-1] >= end.end_sample
    assert engine.asked == [True, True], "in the pause, and once more"
    assert failures(registry) == {"pause": 1, "final": 1}


async def test_a_turn_that_its_caller_ends_is_asked_for_twice_too() -> None:
    engine, registry = Delicate(), CollectorRegistry()
    async with serving(engine=engine, registry=registry) as client:
        events = await heard(client, asr.Config(partials=False), *chunks((LOUD, 0.4)), asr.Flush())
    assert names(events)[-1] == "TurnDiscarded"
    assert engine.asked == [True, True]
    assert failures(registry) == {"final": 2}


async def test_an_engine_that_fails_once_is_forgiven() -> None:
    engine = Delicate(times=1)
    async with serving(engine=engine) as client:
        events = await heard(client, asr.Config(partials=False), *TURNS)
    assert [event.text for event in events if isinstance(event, asr.EndOfTurn)] == ["turn on the lamp"] * 2
    assert "TurnDiscarded" not in names(events)


async def test_partials_that_fail_are_given_up_with_a_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    engine, registry = Delicate(finals=False), CollectorRegistry()
    with caplog.at_level(logging.WARNING, "parley.asr"):
        async with serving(engine=engine, registry=registry) as client:
            events = await heard(client, asr.Config(session_id="s-1", traceparent=TURN.traceparent), *TURNS)
    assert len([event for event in events if isinstance(event, asr.EndOfTurn)]) == 2
    counted = failures(registry)
    # One that the engine is still at when the pause begins is wanted no more, and its failure is nobody's.
    assert counted.keys() == {"partial"}
    assert 1 <= counted["partial"] <= engine.asked.count(False)
    lines = [record for record in caplog.records if record.name == "parley.asr"]
    assert [(line.getMessage(), line.__dict__["session"]) for line in lines] == [
        ("the engine failed (partial): the engine failed: no", "s-1")
    ] * counted["partial"]
    assert {line.__dict__["span"].trace_id for line in lines} == {TURN.trace_id}


async def test_other_streams_hear_nothing_of_it() -> None:
    async with serving(engine=DelicateTogether()) as client, asyncio.TaskGroup() as tasks:
        loud = tasks.create_task(heard(client, asr.Config(), *TURNS))
        others = [
            tasks.create_task(heard(client, asr.Config(), *chunks((HALF_AS_LOUD, 1.0), (QUIET, 1.6)))) for _ in range(4)
        ]
    assert "TurnDiscarded" in names(loud.result())
    for other in others:
        assert [event.text for event in other.result() if isinstance(event, asr.EndOfTurn)] == ["turn on the lamp"]
        assert "TurnDiscarded" not in names(other.result())


class Broken:
    """A turn model that fails."""

    def load(self) -> None:
        """Nothing is to be loaded."""

    def probability(self, audio: NDArray[np.float32]) -> float:
        raise EngineFailed("no")


async def test_where_the_turn_model_fails_the_words_decide(worker: Worker) -> None:
    registry = CollectorRegistry()
    sound = chunks((QUIET, 0.4), (LOUD, 0.8), (QUIET, 2.4))
    async with serving(("is it late?",)) as client:
        expected = waits_ms(await heard(client, asr.Config(partials=False), *sound))
    detector = TurnDetector(Broken(), worker=worker)
    async with serving(("is it late?",), turn_detector=detector, registry=registry) as client:
        waits = waits_ms(await heard(client, asr.Config(partials=False), *sound))
    assert waits == expected
    assert waits[0] < 320
    assert failures(registry) == {"turn_model": 1}
