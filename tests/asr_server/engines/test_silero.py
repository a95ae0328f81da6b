"""Silero: as sure of each stream as its own network is, alone and among others, however they come."""

from __future__ import annotations

import asyncio
from itertools import cycle, islice
from typing import TYPE_CHECKING, cast

import numpy as np
import onnxruntime
import pytest

from asr_server.engines.onnx_file import read_weights
from asr_server.engines.silero import Silero, SileroVad, find_silero, load_silero
from asr_server.engines.silero_network import batched
from parley.audio import decode_file, to_float32

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from onnxruntime import InferenceSession

    Windows = list[NDArray[np.float32]]

RATE_HZ = 16_000
STREAMS = 4
# How many windows of each come at once.
RUNS = ((3, 2), (1,), (2, 4), (5, 1, 2))
WINDOWS = 60


@pytest.fixture(scope="module")
def silero() -> Silero:
    return load_silero()


@pytest.fixture(scope="module")
def sounds(speech_dir: Path) -> list[Windows]:
    """The windows of as many streams, each from another place of a recording."""
    recording = to_float32(decode_file(speech_dir / "cold-hearted.flac", RATE_HZ))
    places = range(0, 512 * 20 * STREAMS, 512 * 20)
    return [[recording[at : at + 512] for at in range(place, place + 512 * WINDOWS, 512)] for place in places]


def by_the_wheels_network(windows: Windows) -> list[float]:
    """What the network says as its makers wrote it."""
    network = onnxruntime.InferenceSession(find_silero().read_bytes(), providers=["CPUExecutionProvider"])
    h = c = np.zeros((1, 1, 128), dtype=np.float32)
    said, before = [], np.zeros(64, dtype=np.float32)
    for window in windows:
        heard = np.concatenate([before, window])[np.newaxis]
        probability, h, c = network.run(None, {"input": heard, "h": h, "c": c})
        said.append(float(probability.item()))
        before = window[-64:]
    return said


async def probability(vad: SileroVad, window: NDArray[np.float32]) -> float:
    [said] = await vad.probabilities(window[np.newaxis])
    return said


async def go_through(vad: SileroVad, windows: Windows) -> list[float]:
    return [await probability(vad, window) for window in windows]


async def go_through_together(silero: Silero, sounds: Sequence[Windows]) -> list[list[float]]:
    """Windows of all streams come in the same turns of the loop."""
    async with asyncio.TaskGroup() as tasks:
        each = [tasks.create_task(go_through_in_step(silero.stream(), windows)) for windows in sounds]
    return [task.result() for task in each]


async def go_through_in_step(vad: SileroVad, windows: Windows) -> list[float]:
    said = []
    for window in windows:
        said.append(await probability(vad, window))
        # As a stream does that reads its next message.
        await asyncio.sleep(0)
    return said


class Counting:
    """A session that keeps how many windows went through it at once."""

    def __init__(self) -> None:
        network = batched(find_silero().read_bytes())
        self._session = onnxruntime.InferenceSession(network, providers=["CPUExecutionProvider"])
        self.sizes: list[int] = []

    def run(self, outputs: None, feed: dict[str, NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        self.sizes.append(len(feed["input"]))
        given: list[NDArray[np.float32]] = self._session.run(outputs, feed)
        return given


@pytest.fixture
def counting() -> Counting:
    return Counting()


@pytest.fixture
def counted(counting: Counting) -> Silero:
    return Silero(cast("InferenceSession", counting))


async def test_a_stream_by_itself_is_heard_as_by_the_network_of_the_wheel(
    silero: Silero, sounds: list[Windows]
) -> None:
    said = await go_through(silero.stream(), sounds[0])
    assert said == pytest.approx(by_the_wheels_network(sounds[0]), abs=1e-5)
    assert max(said) > 0.9, "there is voice in it"


async def test_streams_among_others_are_heard_each_as_by_itself(silero: Silero, sounds: list[Windows]) -> None:
    for said, windows in zip(await go_through_together(silero, sounds), sounds, strict=True):
        assert said == pytest.approx(by_the_wheels_network(windows), abs=1e-5)


@pytest.mark.parametrize("at_once", [2, 3, 8, WINDOWS])
async def test_windows_of_a_stream_in_a_row_are_heard_as_one_by_one(
    counted: Silero, counting: Counting, sounds: list[Windows], at_once: int
) -> None:
    vad, said = counted.stream(), list[float]()
    for first in range(0, WINDOWS, at_once):
        said += await vad.probabilities(np.stack(sounds[0][first : first + at_once]))
    assert said == pytest.approx(by_the_wheels_network(sounds[0]), abs=1e-5)
    assert len(counting.sizes) == -(-WINDOWS // at_once)


async def test_streams_with_runs_of_any_length_are_heard_each_as_by_itself(
    counted: Silero, counting: Counting, sounds: list[Windows]
) -> None:
    await go_through_together(counted, sounds)
    counting.sizes.clear()

    async def in_runs(windows: Windows, lengths: Sequence[int]) -> list[float]:
        vad, said, left = counted.stream(), list[float](), list(windows)
        for length in cycle(lengths):
            if not left:
                return said
            said += await vad.probabilities(np.stack(left[:length]))
            del left[:length]
            await asyncio.sleep(0)
        raise AssertionError

    async with asyncio.TaskGroup() as tasks:
        runs = [tasks.create_task(in_runs(*each)) for each in zip(sounds, RUNS, strict=True)]
    for run, windows in zip(runs, sounds, strict=True):
        assert run.result() == pytest.approx(by_the_wheels_network(windows), abs=1e-5)
    assert counting.sizes[:2] == [3 + 1 + 2 + 5, 2 + 1 + 4 + 1]


async def test_windows_that_are_taken_back_were_never_heard(silero: Silero, sounds: list[Windows]) -> None:
    vad = silero.stream()
    await vad.probabilities(np.stack(sounds[0][:20]))
    await vad.probabilities(np.stack(sounds[1][:20]))
    vad.take_back()
    said = await vad.probabilities(np.stack(sounds[0][20:]))
    assert said == pytest.approx(by_the_wheels_network(sounds[0])[20:], abs=1e-5)


async def test_windows_that_keep_coming_together_go_through_the_network_at_once(
    counted: Silero, counting: Counting, sounds: list[Windows]
) -> None:
    await go_through_together(counted, sounds)
    assert counting.sizes[-1] == STREAMS
    assert sum(counting.sizes) == STREAMS * WINDOWS


async def test_a_stream_by_itself_never_waits_a_turn_of_the_loop(
    counted: Silero, counting: Counting, sounds: list[Windows]
) -> None:
    vad = counted.stream()
    for window in sounds[0]:
        step = probability(vad, window)
        with pytest.raises(StopIteration):
            step.send(None)
        await asyncio.sleep(0)
    assert set(counting.sizes) == {1}


async def test_a_stream_that_is_left_alone_waits_no_more(
    counted: Silero, counting: Counting, sounds: list[Windows]
) -> None:
    await go_through_together(counted, sounds)
    await go_through_in_step(counted.stream(), sounds[0][:30])
    step = probability(counted.stream(), sounds[0][0])
    with pytest.raises(StopIteration):
        step.send(None)
    assert counting.sizes[-1] == 1


async def test_a_stream_that_ends_while_it_waits_disturbs_no_other(silero: Silero, sounds: list[Windows]) -> None:
    await go_through_together(silero, sounds)
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        leaving = tasks.create_task(go_through(silero.stream(), sounds[1]))
        staying = tasks.create_task(go_through(silero.stream(), sounds[0]))
        await asyncio.sleep(0)
        leaving.cancel()
    assert leaving.cancelled()
    assert staying.result() == pytest.approx(by_the_wheels_network(sounds[0]), abs=1e-5)


def test_a_file_that_is_another_network_is_refused() -> None:
    whole = find_silero().read_bytes()
    for model in (whole[: len(whole) // 2], b"\x3a", whole.replace(b"decoder.conv1d.bias", b"decoder.conv1d.tail")):
        with pytest.raises(ValueError, match=r"ONNX|another network"):
            batched(model)
    with pytest.raises(ValueError, match="another network"):
        batched(b"")


def test_weights_are_read_as_they_stand_in_the_file() -> None:
    weights = read_weights(find_silero().read_bytes())
    assert weights["decoder.conv1d.weight"].shape == (1, 128, 1)
    assert all(array.dtype == np.float32 for array in weights.values())
    basis = weights["encoder.feature_extractor.forward_basis_buffer"]
    # A window of Hann, and its first bin is the sum of what is in it.
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(256) / 256)
    assert basis[0, 0] == pytest.approx(hann, abs=1e-6)
    assert sum(1 for _ in islice(weights, 20)) == 15
