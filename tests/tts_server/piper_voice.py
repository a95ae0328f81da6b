"""Makes small Piper voices: a hum for each phoneme, higher for each of the phonemes, with its length given out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from piper.phoneme_ids import DEFAULT_PHONEME_ID_MAP

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Constants = dict[str, NDArray[np.float32] | NDArray[np.int64]]

HOP = 256
RATE_HZ = 22_050
FRAMES = 5
"""Of a phoneme that sounds; a gap or a pause has one."""
SILENT = frozenset("_^$ ,.;:!?'\"()-ˈˌː")
_LONGEST = 4 * FRAMES * HOP


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a voice is like."""

    language: str = "en_US"
    """As Piper writes it."""
    espeak: str = "en-us"
    """Voice of the phonemizer."""
    speakers: tuple[str, ...] = ()
    """Names; each is an octave above the one before."""
    durations: str = "hidden"
    """"hidden" in the graph, as in most files; "given" as an output; "none": they cannot be told from others."""
    level: float = 0.2
    """Peak of its sound."""
    toil: int = 0
    """Large matrices that are multiplied first, to keep the processor busy."""


def make_voice(folder: Path, name: str, recipe: Recipe | None = None) -> Path:
    """Write NAME.onnx and NAME.onnx.json; the path of the model."""
    made = recipe or Recipe()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.onnx"
    onnx.save(_graph(made), str(path))
    language, _, region = made.language.partition("_")
    config = {
        "dataset": name,
        "audio": {"sample_rate": RATE_HZ, "quality": "low"},
        "espeak": {"voice": made.espeak},
        "language": {"code": made.language, "family": language, "region": region, "name_english": "Hummish"},
        "inference": {"noise_scale": 0.667, "length_scale": 1.0, "noise_w": 0.8},
        "phoneme_id_map": DEFAULT_PHONEME_ID_MAP,
        "num_symbols": 256,
        "num_speakers": max(1, len(made.speakers)),
        "speaker_id_map": {speaker: number for number, speaker in enumerate(made.speakers)},
        "hop_length": HOP,
    }
    path.with_suffix(".onnx.json").write_text(json.dumps(config), encoding="utf-8")
    return path


def tone_hz(phoneme: str, speaker: int = 0) -> float:
    """What a phoneme hums."""
    return (200.0 + 10 * DEFAULT_PHONEME_ID_MAP[phoneme][0]) * (1 << speaker)


def _tables(recipe: Recipe) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Frames of each id, and the sound of each id of each speaker."""
    count = 1 + max(ids[0] for ids in DEFAULT_PHONEME_ID_MAP.values())
    frames = np.ones(count, dtype=np.float32)
    sound = np.zeros((max(1, len(recipe.speakers)), count, _LONGEST), dtype=np.float32)
    seconds = np.arange(_LONGEST) / RATE_HZ
    for phoneme, (number, *_) in DEFAULT_PHONEME_ID_MAP.items():
        if phoneme in SILENT:
            continue
        frames[number] = FRAMES
        for speaker in range(len(sound)):
            sound[speaker, number] = recipe.level * np.sin(2 * np.pi * tone_hz(phoneme, speaker) * seconds)
    return frames, sound


def _graph(recipe: Recipe) -> onnx.ModelProto:
    """Gather the units of the ids, mask each to its length, and leave out what is masked."""
    frames, sound = _tables(recipe)
    constants: Constants = {
        "frames": frames,
        "sound": sound,
        "one": np.array([1], dtype=np.int64),
        "two": np.array([2], dtype=np.int64),
        "minus_one": np.array([-1], dtype=np.int64),
        "hop": np.array(HOP, dtype=np.float32),
        "places": np.arange(_LONGEST, dtype=np.float32),
        "zero": np.array([0], dtype=np.int64),
        "shape": np.array([1, 1, 1, -1], dtype=np.int64),
    }
    nodes = [
        helper.make_node("Gather", ["frames", "input"], ["base"]),
        helper.make_node("Gather", ["scales", "one"], ["length_scale"]),
        helper.make_node("Mul", ["base", "length_scale"], ["exact"]),
        helper.make_node("Ceil", ["exact"], ["lengths"]),
        helper.make_node("Mul", ["lengths", "hop"], ["samples"]),
        helper.make_node("Unsqueeze", ["samples", "two"], ["bounds"]),
        helper.make_node("Less", ["places", "bounds"], ["mask"]),
        helper.make_node("Reshape", ["mask", "minus_one"], ["flat_mask"]),
        helper.make_node("Gather", ["sound", "sid" if recipe.speakers else "zero"], ["own"]),
        helper.make_node("Squeeze", ["own", "zero"], ["table"]),
        helper.make_node("Gather", ["table", "input"], ["units"]),
        helper.make_node("Reshape", ["units", "minus_one"], ["flat"]),
        helper.make_node("Compress", ["flat", "flat_mask"], ["joined"]),
        helper.make_node("Reshape", ["joined", "shape"], ["ready"]),
    ]
    nodes += _toil(recipe.toil, constants)
    if recipe.durations == "none":
        nodes.append(helper.make_node("Ceil", ["base"], ["others"]))
    inputs, outputs = _border(recipe)
    stored = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "hum", inputs, outputs, stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def _border(recipe: Recipe) -> tuple[list[onnx.ValueInfoProto], list[onnx.ValueInfoProto]]:
    """Inputs and outputs."""
    outputs = [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 1, 1, None])]
    if recipe.durations == "given":
        outputs.append(helper.make_tensor_value_info("lengths", TensorProto.FLOAT, [1, None]))
    inputs = [
        helper.make_tensor_value_info("input", TensorProto.INT64, [1, None]),
        helper.make_tensor_value_info("input_lengths", TensorProto.INT64, [1]),
        helper.make_tensor_value_info("scales", TensorProto.FLOAT, [3]),
    ]
    if recipe.speakers:
        inputs.append(helper.make_tensor_value_info("sid", TensorProto.INT64, [1]))
    return inputs, outputs


def _toil(matrices: int, constants: Constants) -> list[onnx.NodeProto]:
    """Work that changes nothing, and depends on the input, so that it cannot be done before."""
    if not matrices:
        return [helper.make_node("Identity", ["ready"], ["output"])]
    constants["none"] = np.zeros((1_000, 1_000), dtype=np.float32)
    nodes = [helper.make_node("Add", ["none", "length_scale"], ["toil_0"])]
    nodes += [
        helper.make_node("MatMul", [f"toil_{number}", "none"], [f"toil_{number + 1}"]) for number in range(matrices)
    ]
    nodes.append(helper.make_node("ReduceMax", [f"toil_{matrices}"], ["nothing"], keepdims=0))
    nodes.append(helper.make_node("Add", ["ready", "nothing"], ["output"]))
    return nodes
