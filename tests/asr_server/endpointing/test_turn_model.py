"""A model that hears whether a turn is over helps the rule over words; small graphs stand for it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from faster_whisper.feature_extractor import FeatureExtractor
from onnx import TensorProto, helper
from prometheus_client import CollectorRegistry

from asr_server.endpointing.turn_model import TurnDetector
from asr_server.engines.scripted import ScriptedEngine
from asr_server.engines.turn_onnx import OnnxTurnModel, log_mel
from asr_server.scheduler import Scheduler
from asr_server.service import SERVICE, AsrServicer
from asr_server.transcriber import Models
from parley import asr
from parley.errors import InvalidInput, Unavailable
from parley.v1.asr_pb2_grpc import add_AsrServiceServicer_to_server
from serving.grpc_server import Listen, started
from serving.telemetry import Telemetry, new_provider
from serving.threads import Worker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

LOUD = (np.sin(np.arange(640) * 0.3) * 8000).astype("<i2").tobytes()
QUIET = bytes(1280)
FEATURES = (1, 80, 800)
SOUND = (1, 128_000)


def graph(path: Path, shape: tuple[int | str, ...], *, bias: float, weight: float = 0.0, sigmoid: bool = True) -> str:
    """A graph that gives sigmoid(weight * mean of its input + bias)."""
    nodes = [
        helper.make_node("ReduceMean", ["input", "axes"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "weight"], ["scaled"]),
        helper.make_node("Add", ["scaled", "bias"], ["sum"]),
        helper.make_node("Sigmoid" if sigmoid else "Identity", ["sum"], ["probability"]),
    ]
    axes = helper.make_tensor("axes", TensorProto.INT64, [len(shape) - 1], list(range(1, len(shape))))
    constants = [
        axes,
        helper.make_tensor("weight", TensorProto.FLOAT, [], [weight]),
        helper.make_tensor("bias", TensorProto.FLOAT, [], [bias]),
    ]
    made = helper.make_graph(
        nodes,
        "turn",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, list(shape))],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, [shape[0]])],
        constants,
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, str(path))
    return str(path)


@asynccontextmanager
async def serving(name: str, text: str) -> AsyncIterator[asr.AsrClient]:
    worker, listener = Worker("test"), Worker("turns")
    model = OnnxTurnModel(name)
    await listener.run(model.load)
    telemetry = Telemetry(new_provider("asr"), CollectorRegistry())
    detector = TurnDetector(model, worker=listener)
    servicer = AsrServicer(Models(ScriptedEngine((text,), 0.0), Scheduler(worker), detector), telemetry, 10)
    listen = Listen("127.0.0.1", 0, "PARLEY_ASR_PORT", 0, 0.0, 64 * 1024)
    try:
        async with started(SERVICE, lambda server: add_AsrServiceServicer_to_server(servicer, server), listen) as (
            port,
            ready,
        ):
            await ready()
            async with asr.AsrClient(f"127.0.0.1:{port}") as client:
                yield client
    finally:
        worker.close()
        listener.close()


async def waited_ms(client: asr.AsrClient) -> float:
    async def requests() -> AsyncIterator[asr.Request]:
        yield asr.Config()
        # So much silence first that a slow machine, too, is ahead of the microphone, and waits for words and model.
        for place in range(330):
            yield asr.Audio(LOUD if 260 <= place < 280 else QUIET, place * 640)

    async with client.transcribe(requests()) as events:
        ends = [event async for event in events if isinstance(event, asr.EndOfTurn)]
    return ends[0].timings.endpoint_ms


@pytest.mark.parametrize("shape", [FEATURES, SOUND, ("batch", 80, 800), ("batch", "samples")])
async def test_a_model_that_hears_the_end_ends_the_turn_early(tmp_path: Path, shape: tuple[int | str, ...]) -> None:
    async with serving(graph(tmp_path / "turn.onnx", shape, bias=5.0), "turn on the lamp") as client:
        assert 500 < await waited_ms(client) < 620


async def test_a_model_that_hears_no_end_waits_longer_than_the_words_would(tmp_path: Path) -> None:
    async with serving(graph(tmp_path / "turn.onnx", FEATURES, bias=-5.0), "what time is it?") as client:
        assert await waited_ms(client) > 600


async def test_a_model_does_not_cut_off_who_ends_on_and(tmp_path: Path) -> None:
    async with serving(graph(tmp_path / "turn.onnx", FEATURES, bias=5.0), "turn on the lamp and") as client:
        assert await waited_ms(client) > 1_400


def test_the_sound_reaches_the_model_as_it_is(tmp_path: Path) -> None:
    model = OnnxTurnModel(graph(tmp_path / "turn.onnx", (1, 16_000), bias=0.0, weight=1.0))
    model.load()
    half = np.full(8_000, 0.5, dtype=np.float32)
    assert model.probability(half) == pytest.approx(1 / (1 + np.exp(-0.25)), abs=1e-6), "silence is put in front"
    assert model.probability(np.tile(half, 4)) == pytest.approx(1 / (1 + np.exp(-0.5)), abs=1e-6), "the end is taken"


def test_the_features_are_those_that_whisper_is_given() -> None:
    extractor = FeatureExtractor(feature_size=80, chunk_length=8)
    sound = np.random.default_rng(1).normal(0, 0.05, 128_000).astype(np.float32)
    normal = (sound - sound.mean()) / np.sqrt(sound.var() + 1e-7)
    expected = extractor(normal, padding=0)[:, :800]
    assert log_mel(extractor, sound) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("nowhere.onnx", "there is no such file"),
        ("someone/some-turns:model.onnx", "parley models pull turn:someone/some-turns:model.onnx"),
    ],
)
def test_a_model_that_is_not_there_is_named_with_the_remedy(
    name: str, remedy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(Unavailable, match=remedy):
        OnnxTurnModel(name).load()


def test_a_file_that_is_no_model_is_named(tmp_path: Path) -> None:
    path = tmp_path / "turn.onnx"
    path.write_text("these are words")
    with pytest.raises(InvalidInput, match="is no ONNX model"):
        OnnxTurnModel(str(path)).load()


def test_a_model_of_another_kind_is_named_with_its_inputs(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="is no turn model"):
        OnnxTurnModel(graph(tmp_path / "turn.onnx", (1, 40, 800), bias=0.0)).load()


def test_a_model_that_gives_no_probability_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="one probability from 0 to 1"):
        OnnxTurnModel(graph(tmp_path / "turn.onnx", FEATURES, bias=3.0, sigmoid=False)).load()
