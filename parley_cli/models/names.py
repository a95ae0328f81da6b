"""What models are called, in which repository of the hub each is, and which of its files an engine needs.

Knows neither the network nor the disk.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from parley.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

WHISPER_SIZES: Final = MappingProxyType(
    {
        "tiny": "Systran/faster-whisper-tiny",
        "tiny.en": "Systran/faster-whisper-tiny.en",
        "base": "Systran/faster-whisper-base",
        "base.en": "Systran/faster-whisper-base.en",
        "small": "Systran/faster-whisper-small",
        "small.en": "Systran/faster-whisper-small.en",
        "medium": "Systran/faster-whisper-medium",
        "medium.en": "Systran/faster-whisper-medium.en",
        "large": "Systran/faster-whisper-large-v3",
        "large-v1": "Systran/faster-whisper-large-v1",
        "large-v2": "Systran/faster-whisper-large-v2",
        "large-v3": "Systran/faster-whisper-large-v3",
        "large-v3-turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
        "turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
        "distil-small.en": "Systran/faster-distil-whisper-small.en",
        "distil-medium.en": "Systran/faster-distil-whisper-medium.en",
        "distil-large-v2": "Systran/faster-distil-whisper-large-v2",
        "distil-large-v3": "Systran/faster-distil-whisper-large-v3",
        "distil-large-v3.5": "distil-whisper/distil-large-v3.5-ct2",
    }
)
"""The repository that faster-whisper means by a size."""
VOICES: Final = "rhasspy/piper-voices"
"""The repository of Piper's voices."""

_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
_VOICE = re.compile(r"[a-z]{2,3}_[A-Z]{2}-\w+-\w+", re.ASCII)
_WHISPER_FILES: Final = ("config.json", "preprocessor_config.json", "model.bin", "tokenizer.json", "vocabulary.*")
_WEIGHTS: Final = "model.bin"
_SAFE: Final = "*.safetensors"
_GGUF: Final = "*.gguf"
# The same weights in the forms of other programs.
_OTHER_FORMS: Final = (
    ".*", _GGUF, "*.h5", "*.msgpack", "*.mlmodel", "*.onnx", "*.onnx_data", "*.ot", "*.pth", "*.tflite",
    "coreml/*", "metal/*", "onnx/*", "openvino/*", "original/*",
)  # fmt: skip
_TORCH_FORMS: Final = ("*.bin", "*.pt")
_EXAMPLES: Final = "whisper:small, llm:Qwen/Qwen3-0.6B, piper:en_US-lessac-medium or turn:OWNER/REPOSITORY:FILE"


class Kind(StrEnum):
    """What a model is for; the first half of its name."""

    WHISPER = "whisper"
    LLM = "llm"
    PIPER = "piper"
    TURN = "turn"
    GGUF = "gguf"


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file as the hub has it."""

    path: str
    """Path within its repository."""
    size_bytes: int
    """Its length."""
    checksum: str
    """Hexadecimal: SHA-256 where it is kept as a large file (64 digits), else git's SHA-1 of a blob (40)."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model that can be asked for."""

    kind: Kind
    """What it is for."""
    name: str
    """What is written after the kind."""

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"

    @property
    def repository(self) -> str:
        """Where the hub has it, as OWNER/REPOSITORY."""
        match self.kind:
            case Kind.WHISPER:
                return WHISPER_SIZES.get(self.name, self.name)
            case Kind.PIPER:
                return VOICES
            case Kind.LLM | Kind.TURN | Kind.GGUF:
                return self.name.partition(":")[0]

    @property
    def identity(self) -> tuple[Kind, str]:
        """The same for two names of one model."""
        whole = self.kind in {Kind.WHISPER, Kind.LLM}
        return self.kind, self.repository if whole else self.name

    def pick(self, files: Sequence[HubFile]) -> tuple[HubFile, ...]:
        """Those files of its repository that an engine needs.

        Raises:
            NotFound: the repository has no such model.
        """
        match self.kind:
            case Kind.WHISPER:
                return self._pick_whisper(files)
            case Kind.LLM:
                return self._pick_llm(files)
            case Kind.PIPER:
                return self._pick_voice(files)
            case Kind.TURN:
                return self._pick_one(files, "*.onnx")
            case Kind.GGUF:
                return self._pick_one(files, _GGUF)

    def _pick_whisper(self, files: Sequence[HubFile]) -> tuple[HubFile, ...]:
        picked = _like(files, *_WHISPER_FILES)
        if not _like(picked, _WEIGHTS):
            raise NotFound(f"{self.repository} has no {_WEIGHTS}: it holds no Whisper model for CTranslate2")
        return picked

    def _pick_one(self, files: Sequence[HubFile], pattern: str) -> tuple[HubFile, ...]:
        wanted = self.name.partition(":")[2]
        picked = tuple(file for file in files if file.path == wanted)
        if not picked:
            raise NotFound(f"{self.repository} has no {wanted}; {_offer(wanted, _paths(files, pattern))}")
        return picked

    def _pick_llm(self, files: Sequence[HubFile]) -> tuple[HubFile, ...]:
        unwanted = (*_OTHER_FORMS, *(_TORCH_FORMS if _like(files, _SAFE) else ()))
        picked = tuple(file for file in files if not _like([file], *unwanted))
        if not _like(picked, _SAFE, *_TORCH_FORMS):
            raise NotFound(f"{self.repository} has no weights that vllm or ctranslate2 could load, such as {_SAFE}")
        return picked

    def _pick_voice(self, files: Sequence[HubFile]) -> tuple[HubFile, ...]:
        parts = (f"{self.name}.onnx", f"{self.name}.onnx.json")
        picked = tuple(file for file in files if PurePosixPath(file.path).name in parts)
        if len(picked) != len(parts):
            voices = [PurePosixPath(path).stem for path in _paths(files, "*.onnx")]
            raise NotFound(f"there is no voice {self.name}; {_offer(self.name, voices)}")
        return picked


def parse(text: str) -> Model:
    """The model that `text` names.

    Raises:
        InvalidInput: it names none; the sentence says what there is.
    """
    kind, _, name = text.partition(":")
    if kind not in tuple(Kind) or not name:
        raise InvalidInput(f"{text!r} names no model: write KIND:NAME, such as {_EXAMPLES}", field="model")
    model = Model(Kind(kind), name)
    right, hint = _judge(model)
    if not right:
        raise InvalidInput(f"there is no {text}: {hint}", field="model")
    return model


def _judge(model: Model) -> tuple[bool, str]:
    """Whether there can be such a model, and what is said if not."""
    match model.kind:
        case Kind.WHISPER:
            right = model.name in WHISPER_SIZES or _REPOSITORY.fullmatch(model.name) is not None
            return right, f"there are {', '.join(WHISPER_SIZES)}, or OWNER/REPOSITORY of the hub"
        case Kind.LLM:
            right = _REPOSITORY.fullmatch(model.name) is not None
            return right, "name OWNER/REPOSITORY of the hub, such as llm:Qwen/Qwen3-0.6B"
        case Kind.PIPER:
            return _VOICE.fullmatch(model.name) is not None, "a voice is named like piper:en_US-lessac-medium"
        case Kind.TURN | Kind.GGUF:
            right = _REPOSITORY.fullmatch(model.repository) is not None and bool(model.name.partition(":")[2])
            return right, "name OWNER/REPOSITORY:FILE of the hub"


def _like(files: Sequence[HubFile], *patterns: str) -> tuple[HubFile, ...]:
    return tuple(file for file in files if any(fnmatchcase(file.path, pattern) for pattern in patterns))


def _paths(files: Sequence[HubFile], pattern: str) -> list[str]:
    return sorted(file.path for file in _like(files, pattern))


def _offer(wanted: str, there: Sequence[str]) -> str:
    """What comes closest to `wanted`, or begins like it, or all that there is."""
    close = get_close_matches(wanted, there, n=5) or [each for each in there if each[:2] == wanted[:2]] or there
    return f"there are {', '.join(close)}" if close else "there is none"
