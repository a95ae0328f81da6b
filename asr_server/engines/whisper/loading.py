"""Loads a Whisper for CTranslate2: where it computes, in which numbers, and which languages it has."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from asr_server.engine import AUTO
from asr_server.engines.whisper.options import ENGLISH
from parley.errors import Unavailable

if TYPE_CHECKING:
    from faster_whisper import WhisperModel

    from asr_server.engines.whisper.options import WhisperOptions


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

    threads = max(1, (os.cpu_count() or 1) // 2)
    try:
        return WhisperModel(
            options.model,
            device=device,
            compute_type=compute_type,
            cpu_threads=threads,
            local_files_only=not options.download,
        )
    except (OSError, ValueError) as error:
        # A hub that was not asked, a size that there is none of, a folder that holds something else.
        raise Unavailable(
            f"PARLEY_ASR_MODEL={options.model}: {error}. Name a folder with a Whisper model for CTranslate2, or fetch "
            f"one: parley models pull whisper:{_fetched(options.model)}; PARLEY_ASR_DOWNLOAD=true has the server do it"
        ) from error
    except RuntimeError as error:
        raise Unavailable(f"PARLEY_ASR_MODEL={options.model} cannot be loaded: {error}") from error


def _fetched(model: str) -> str:
    """What would be fetched in the place of a model that is not here."""
    from faster_whisper import available_models

    on_the_hub = model in available_models() or (model.count("/") == 1 and model[0] not in "/.~")
    return model if on_the_hub else "small"


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
