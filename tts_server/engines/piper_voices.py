"""Finds Piper's voices, and loads one: the network as NAME.onnx and what is known of it as NAME.onnx.json beside it."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final

from parley.errors import Unavailable, not_installed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from onnxruntime import InferenceSession
    from piper import PiperVoice

SUFFIX: Final = ".onnx"
_PATH = re.compile(rf"(?P<model>.*{re.escape(SUFFIX)})(?::(?P<speaker>.+))?", re.DOTALL)
# How a voice's config writes what its text is made of; the others need packages and downloads of their own.
_PHONEME_TYPES: Final = ("espeak", "text")
_INPUTS: Final = frozenset(("input", "input_lengths", "scales"))
_CUDA: Final = "CUDAExecutionProvider"
_CPU: Final = "CPUExecutionProvider"


@dataclass(frozen=True, slots=True)
class PiperOptions:
    """What to load, and how."""

    folder: str = ""
    """Folder of the voices; empty: the user's own."""
    voice: str = ""
    """The default, by name or by the path of its model; NAME:SPEAKER is one speaker of several. Empty: the first."""
    device: str = "cpu"
    """"cpu" or "cuda"."""


@dataclass(frozen=True, slots=True)
class LoadedVoice:
    """A model that can speak."""

    name: str
    """Name of its file."""
    language: str
    """BCP 47 tag."""
    description: str
    """What a person would want to know of it."""
    speakers: Mapping[str, int]
    """Its speakers by name; empty where there is one."""
    speaker: int | None
    """Who speaks when none is asked for; None where there is one."""
    piper: PiperVoice
    """Piper's own."""
    fingerprint: str
    """Changes with its files."""


def name_of(voice: str) -> str:
    """The name under which a voice is listed that is given by name, or by the path of its model."""
    path = _PATH.fullmatch(voice)
    if path is None:
        return voice
    name = Path(path["model"]).name.removesuffix(SUFFIX)
    return f"{name}:{path['speaker']}" if path["speaker"] else name


def find_models(options: PiperOptions) -> list[Path]:
    """The models that there are, the default first.

    Raises:
        Unavailable: there is none, or not the one that was asked for.
    """
    folder = _folder(options)
    models = sorted(folder.glob(f"*{SUFFIX}"))
    path = _PATH.fullmatch(options.voice)
    if path is not None:
        named = Path(path["model"]).expanduser()
        if not named.is_file():
            raise Unavailable(f"PARLEY_TTS_VOICE={options.voice}: there is no file {named}")
        return [named, *(model for model in models if model.stem != named.stem)]
    name = options.voice.partition(":")[0] or (models[0].stem if models else "")
    if not any(model.stem == name for model in models):
        wanted = f"no voice {name}" if name else "no voice"
        there = f"; there are {', '.join(model.stem for model in models)}" if models else ""
        raise Unavailable(
            f"{wanted} in {folder}{there}: put NAME.onnx and NAME.onnx.json there (PARLEY_TTS_VOICES_DIR names another "
            f"folder), or fetch one: parley models pull piper:{name or 'en_US-lessac-medium'}"
        )
    return sorted(models, key=lambda model: model.stem != name)


def load_voice(model: Path, device: str, threads: int) -> LoadedVoice:
    """Load one voice for `device`, which computes with `threads`.

    Raises:
        Unavailable: a package, a file or the device is not there, or a file holds something else.
    """
    if importlib.util.find_spec("piper") is None:
        raise not_installed("piper-tts", "piper")
    from piper import PiperVoice
    from piper.config import PiperConfig

    known = _read(model)
    kind = known.get("phoneme_type", _PHONEME_TYPES[0])
    if kind not in _PHONEME_TYPES:
        raise Unavailable(
            f"{model}: its phonemes are of type {kind}, and only {' and '.join(_PHONEME_TYPES)} are known"
        )
    try:
        config = PiperConfig.from_dict(known)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Unavailable(f"{model}.json is no config of a Piper voice: {error!r}") from error
    speakers = dict(config.speaker_id_map) or {str(number): number for number in range(config.num_speakers)}
    return LoadedVoice(
        name=model.stem,
        language=_inner(known, "language", "code").replace("_", "-") or config.espeak_voice,
        description=_description(model, known),
        speakers=speakers if config.num_speakers > 1 else {},
        speaker=config.default_speaker_id if config.num_speakers > 1 else None,
        piper=PiperVoice(session=_session(model, device, threads), config=config),
        fingerprint=_fingerprint(model),
    )


def _folder(options: PiperOptions) -> Path:
    if options.folder:
        return Path(options.folder).expanduser()
    data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(data).expanduser() / "parley" / "voices"


def _read(model: Path) -> dict[str, object]:
    path = Path(f"{model}.json")
    if not path.is_file():
        raise Unavailable(f"{model} has no {path.name} beside it: a Piper voice is both files")
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise Unavailable(f"{path} is no JSON: {error}") from error
    if not isinstance(known, dict):
        raise Unavailable(f"{path} is no config of a Piper voice: it holds no object")
    return known


def _inner(known: Mapping[str, object], *keys: str) -> str:
    """Text within objects; empty where there is none."""
    value: object = known
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, str) else ""


def _description(model: Path, known: Mapping[str, object]) -> str:
    language, region = _inner(known, "language", "name_english"), _inner(known, "language", "country_english")
    quality = _inner(known, "audio", "quality")
    parts = (_inner(known, "dataset") or model.stem, language, region, quality and f"{quality} quality")
    return ", ".join(part for part in parts if part)


def _fingerprint(model: Path) -> str:
    digest = hashlib.sha256(version("piper-tts").encode() + model.read_bytes())
    digest.update(Path(f"{model}.json").read_bytes())
    return digest.hexdigest()


def _session(model: Path, device: str, threads: int) -> InferenceSession:
    import onnxruntime
    from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidGraph, InvalidProtobuf, NoSuchFile
    from onnxruntime.capi.onnxruntime_pybind11_state import NotImplemented as NotSupported

    provider = _CUDA if device == "cuda" else _CPU
    if provider not in onnxruntime.get_available_providers():
        raise Unavailable(
            "PARLEY_TTS_DEVICE=cuda: the onnxruntime that is installed knows no CUDA; pip uninstall onnxruntime and "
            "pip install onnxruntime-gpu, or use cpu"
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    # Threads that wait spin by default, and take the processor from everybody else on the machine.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = onnxruntime.InferenceSession(_with_durations(model), options, providers=[provider])
    except (Fail, InvalidGraph, InvalidProtobuf, NoSuchFile, NotSupported) as error:
        raise Unavailable(f"{model} is no ONNX model that can be used: {error}") from error
    if provider not in session.get_providers():
        raise Unavailable("PARLEY_TTS_DEVICE=cuda: there is no CUDA device here that can be used; use cpu")
    inputs = [each.name for each in session.get_inputs()]
    if not _INPUTS.issubset(inputs):
        raise Unavailable(f"{model} is no Piper voice: its inputs are {', '.join(inputs)}")
    return session


def _with_durations(model: Path) -> str | bytes:
    """The model with the length of each phoneme among its outputs, where that can be had; most files lack it.

    The tensor is there in every network of this kind; it is only not given out (`piper.patch_voice_with_alignment`).
    """
    if importlib.util.find_spec("onnx") is None:
        return str(model)
    import onnx
    from google.protobuf.message import DecodeError
    from piper.patch_voice_with_alignment import add_alignment_output

    try:
        graph = onnx.load(str(model))
        add_alignment_output(graph)
    except (DecodeError, ValueError):
        # No model at all, which the session says better; it gives them already; or none is told from others.
        return str(model)
    patched: bytes = graph.SerializeToString()
    return patched
