"""Which settings make a server use a model, and which models settings name."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from parley.errors import ParleyError
from parley_cli.models.names import Kind, Model, parse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from parley_cli.models.store import Record

# What the ASR server takes when nothing is said.
_WHISPER: Final = "small"


def setting_of(record: Record) -> str:
    """Settings with which `parley up` uses a model."""
    name = record.model.name
    match record.model.kind:
        case Kind.WHISPER:
            return f"PARLEY_ASR_ENGINE=faster-whisper PARLEY_ASR_MODEL={name}"
        case Kind.PIPER:
            return f"PARLEY_TTS_ENGINE=piper PARLEY_TTS_VOICE={name}"
        case Kind.TURN:
            return f"PARLEY_ASR_TURN_MODEL={name}"
        case Kind.GGUF:
            return f"PARLEY_LLAMACPP_MODEL={name}"
        case Kind.LLM:
            if any(PurePosixPath(file.path).name == "model.bin" for file in record.files):
                return f"PARLEY_LLM_ENGINE=ctranslate2 PARLEY_LLM_MODEL={record.place.folder}"
            return f"PARLEY_LLM_ENGINE=vllm PARLEY_LLM_MODEL={name}"


def in_use(environment: Mapping[str, str]) -> list[Model]:
    """Models that the settings in `environment` name; folders and files that they name are the user's own affair."""
    return [model for text in _named(environment) for model in _parsed(text)]


def _named(environment: Mapping[str, str]) -> Iterator[str]:
    if environment.get("PARLEY_ASR_ENGINE") == "faster-whisper":
        yield f"{Kind.WHISPER}:{environment.get('PARLEY_ASR_MODEL') or _WHISPER}"
    if turn := environment.get("PARLEY_ASR_TURN_MODEL"):
        yield f"{Kind.TURN}:{turn}"
    if environment.get("PARLEY_LLM_ENGINE") == "vllm":
        yield f"{Kind.LLM}:{environment.get('PARLEY_LLM_MODEL', '')}"
    if served := environment.get("PARLEY_LLAMACPP_MODEL"):
        yield f"{Kind.GGUF}:{served}"
    if environment.get("PARLEY_TTS_ENGINE") == "piper":
        yield f"{Kind.PIPER}:{environment.get('PARLEY_TTS_VOICE', '').partition(':')[0]}"


def _parsed(text: str) -> Iterator[Model]:
    try:
        yield parse(text)
    except ParleyError:
        return
