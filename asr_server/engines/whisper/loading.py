"""Loads a Whisper for CTranslate2: where it computes, in which numbers, and which languages it has."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from asr_server.engine import AUTO
from asr_server.engines.whisper.options import ENGLISH
from parley.errors import Unavailable

if TYPE_CHECKING:
    from faster_whisper import WhisperModel

    from asr_server.engines.whisper.options import WhisperOptions

_FILES: Final = ("model.bin", "config.json", "tokenizer.json")
# More of them wait for each other longer than they help.
_MOST_THREADS: Final = 8
_REPOSITORY: Final = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)


def placement(options: WhisperOptions) -> tuple[str, str]:
    """Where the model is to run, and in which numbers.

    Raises:
        Unavailable: there is no such device, or it does not compute in such numbers.
    """
    import ctranslate2

    devices = ctranslate2.get_cuda_device_count()
    device = ("cuda" if devices else "cpu") if options.device == "auto" else options.device
    if device == "cuda" and not devices:
        raise Unavailable("PARLEY_ASR_DEVICE=cuda: there is no CUDA device here; use cpu or auto")
    known = sorted(ctranslate2.get_supported_compute_types(device))
    compute_type = options.compute_type
    if compute_type == "auto":
        compute_type = "int8" if device == "cpu" else "float16"
    if compute_type not in known:
        raise Unavailable(f"PARLEY_ASR_COMPUTE_TYPE={compute_type}: {device} has {', '.join(known)}")
    return device, compute_type


def load_model(options: WhisperOptions, device: str, compute_type: str) -> WhisperModel:
    """The model, loaded.

    Raises:
        Unavailable: it is not there, or cannot be loaded; the message names the remedy.
    """
    from faster_whisper import WhisperModel

    if Path(options.model).is_dir():
        _check(Path(options.model))
    try:
        return WhisperModel(
            options.model,
            device=device,
            compute_type=compute_type,
            cpu_threads=threads(options, os.cpu_count() or 1),
            local_files_only=not options.download,
        )
    except (OSError, ValueError) as error:
        # The hub's library says at length what matters only to those who program with it.
        raise Unavailable(f"PARLEY_ASR_MODEL={options.model} {_absence(options)}") from error
    except RuntimeError as error:
        raise Unavailable(f"PARLEY_ASR_MODEL={options.model} cannot be loaded: {error}") from error


def threads(options: WhisperOptions, cores: int) -> int:
    """How many threads compute on a CPU with so many cores."""
    return options.threads or min(_MOST_THREADS, cores)


def _check(folder: Path) -> None:
    """See that a folder has all files of a model; for a tokenizer that is missing, faster-whisper would ask the hub.

    Raises:
        Unavailable: it lacks one, or one is broken.
    """
    for name in _FILES:
        if not (folder / name).is_file():
            raise Unavailable(
                f"PARLEY_ASR_MODEL={folder} has no {name}: a Whisper model for CTranslate2 is a folder with "
                f"{', '.join(_FILES)}"
            )
    for name in _FILES[1:]:
        try:
            json.loads((folder / name).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise Unavailable(f"PARLEY_ASR_MODEL={folder}: {name} in it cannot be read: {error}") from error


def _absence(options: WhisperOptions) -> str:
    """Why a model could not be had, and what to do; the rest of a sentence that begins with the setting."""
    from faster_whisper import available_models

    model = options.model
    if not (model in available_models() or _REPOSITORY.fullmatch(model)):
        sizes = ", ".join(available_models())
        return f"is no folder here, no OWNER/REPOSITORY of the hub, and none of {sizes}; for example: {_pull('small')}"
    if options.download:
        return f"is not on this machine, and could not be fetched; what is in the way is said by {_pull(model)}"
    return f"is not on this machine: {_pull(model)}; PARLEY_ASR_DOWNLOAD=true has the server fetch it"


def _pull(model: str) -> str:
    return f"parley models pull whisper:{model}"


def languages_of(model: WhisperModel, first: str) -> tuple[str, ...]:
    """The languages of a model, the default first.

    Raises:
        Unavailable: the default is none of them.
    """
    # A model knows the languages that its vocabulary has a token for.
    codes = [code for code in model.supported_languages if model.hf_tokenizer.token_to_id(f"<|{code}|>") is not None]
    known = [*codes, AUTO] if model.model.is_multilingual else [ENGLISH]
    if first not in known:
        raise Unavailable(f"PARLEY_ASR_LANGUAGE={first}: this model has {', '.join(known)}")
    return (first, *(each for each in known if each != first))
