"""Whisper through CTranslate2: any size, many languages, on a CPU or a GPU.

Whisper makes up sentences where nobody speaks, and falls into loops. So the voice detector gates what comes here,
nothing is conditioned on earlier text, temperature stays at 0 (a fallback to higher ones would multiply the time at
random), and segments that the model itself calls silence, or that repeat themselves, are dropped.
"""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from asr_server.engine import Transcript, Word
from asr_server.hygiene import loops
from asr_server.vad import SileroVad, load_silero
from parley.errors import Unavailable

if TYPE_CHECKING:
    from faster_whisper import WhisperModel
    from faster_whisper.transcribe import Segment
    from numpy.typing import NDArray
    from onnxruntime import InferenceSession

_RATE_HZ: Final = 16_000
_ENGLISH: Final = "en"
# Above this the model thinks that nobody speaks; believed when it is unsure of its words as well.
_NO_SPEECH: Final = 0.6
_UNSURE_LOG_PROBABILITY: Final = -1.0
# Text that gzip makes so much smaller repeats itself (the value of OpenAI's reference implementation).
_MOST_COMPRESSION: Final = 2.4
_FINAL_BEAMS: Final = 5


@dataclass(frozen=True, slots=True)
class WhisperOptions:
    """What to load, and how."""

    model: str
    """A size ("small"), OWNER/REPOSITORY of a hub, or a folder."""
    device: str = "auto"
    """"cpu", "cuda" or "auto"."""
    compute_type: str = "auto"
    """CTranslate2's, such as "int8" or "float16"; "auto": int8 on a CPU, float16 on a GPU."""
    language: str = _ENGLISH
    """Language of streams that name none, BCP 47."""
    prompt: str = ""
    """Text in the style that is wanted, which the model takes for what was said before."""
    words: bool = False
    """Say where each word sounds; takes the model a little longer."""
    download: bool = False
    """A model that is not on this machine may be fetched."""


class WhisperRecognizer:
    """Transcribes for one stream; the model itself is shared."""

    def __init__(self, model: WhisperModel, options: WhisperOptions, language: str, hints: tuple[str, ...]) -> None:
        """Use the shared model; `hints` are words that are likely."""
        self._model = model
        self._options = options
        self._language = language
        self._hotwords = ", ".join(hints) or None

    def transcribe(self, audio: NDArray[np.float32], *, final: bool) -> Transcript:
        """What is said in `audio`; partials are searched less thoroughly, and have no word times."""
        wants_words = self._options.words and final
        segments, _ = self._model.transcribe(
            audio,
            language=self._language,
            beam_size=_FINAL_BEAMS if final else 1,
            temperature=0.0,
            condition_on_previous_text=False,
            initial_prompt=self._options.prompt or None,
            hotwords=self._hotwords,
            word_timestamps=wants_words,
            without_timestamps=not wants_words,
        )
        kept = [segment for segment in segments if is_trusted(segment)]
        text = " ".join(segment.text.strip() for segment in kept)
        words = tuple(
            Word(word.word.strip(), round(word.start * _RATE_HZ), round(word.end * _RATE_HZ), float(word.probability))
            for segment in kept
            for word in segment.words or ()
        )
        return Transcript(" ".join(text.split()), words)


class WhisperEngine:
    """The model, loaded once."""

    name = "faster-whisper"

    def __init__(self, options: WhisperOptions) -> None:
        """Load nothing yet."""
        self._options = options
        self._model: WhisperModel | None = None
        self._silero: InferenceSession | None = None
        self.model = options.model
        self.languages: tuple[str, ...] = (options.language,)

    def load(self) -> None:
        """Load the model and the voice detector, and transcribe once to warm up.

        Raises:
            Unavailable: the package, the model, the device or the compute type is not there.
        """
        if importlib.util.find_spec("faster_whisper") is None:
            raise Unavailable("faster-whisper is not installed: pip install 'parley[asr]'")
        device, compute_type = placement(self._options)
        self._silero = load_silero()
        self._model = _load(self._options, device, compute_type)
        self.model = Path(self._options.model).name
        self.languages = _languages(self._model, self._options.language)
        self.recognizer(self.languages[0], ()).transcribe(np.zeros(_RATE_HZ, dtype=np.float32), final=True)

    def recognizer(self, language: str, hints: tuple[str, ...]) -> WhisperRecognizer:
        """A recogniser over the shared model."""
        assert self._model is not None  # noqa: S101 - the server loads before it serves
        return WhisperRecognizer(self._model, self._options, language, hints)

    def vad(self) -> SileroVad:
        """A voice detector over the shared network."""
        assert self._silero is not None  # noqa: S101 - as above
        return SileroVad(self._silero)


def is_trusted(segment: Segment) -> bool:
    """False for what Whisper makes up: words over silence that it is unsure of, and text that repeats itself."""
    unsure = segment.avg_logprob < _UNSURE_LOG_PROBABILITY and segment.no_speech_prob > _NO_SPEECH
    return not unsure and segment.compression_ratio <= _MOST_COMPRESSION and not loops(segment.text)


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


def _load(options: WhisperOptions, device: str, compute_type: str) -> WhisperModel:
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
            f"PARLEY_ASR_MODEL={options.model}: {error}. Name a folder with a Whisper model for CTranslate2, or let it "
            "be fetched once with PARLEY_ASR_DOWNLOAD=true"
        ) from error
    except RuntimeError as error:
        raise Unavailable(f"PARLEY_ASR_MODEL={options.model} cannot be loaded: {error}") from error


def _languages(model: WhisperModel, first: str) -> tuple[str, ...]:
    """The languages of a model, the default first.

    Raises:
        Unavailable: the default is none of them.
    """
    known = list(model.supported_languages) if model.model.is_multilingual else [_ENGLISH]
    if first not in known:
        raise Unavailable(f"PARLEY_ASR_LANGUAGE={first}: this model has {', '.join(known)}")
    return (first, *(each for each in known if each != first))
