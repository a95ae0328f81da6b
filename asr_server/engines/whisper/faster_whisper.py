"""Whisper through CTranslate2: any size, many languages, on a CPU or a GPU.

Whisper makes up sentences where nobody speaks, and falls into loops. So the voice detector gates what comes here,
temperature stays at 0 (a fallback to higher ones would multiply the time at random), and what the model itself calls
silence, or repeats itself, is dropped. Of a long utterance only the end is transcribed anew (`window`).
"""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from asr_server.engine import AUTO, Transcript, Word
from asr_server.engines.silero import SileroVad, load_silero
from asr_server.engines.whisper.heard import Sound
from asr_server.engines.whisper.window import Limits, Window
from parley.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from faster_whisper import WhisperModel
    from numpy.typing import NDArray
    from onnxruntime import InferenceSession

    from asr_server.engine import Job
    from asr_server.engines.whisper.heard import Heard
    from asr_server.engines.whisper.network import WhisperNetwork

    Work: TypeAlias = Generator[Sound, Heard, Transcript]

_RATE_HZ: Final = 16_000
_ENGLISH: Final = "en"
# So many words before the open part of an utterance lead into it.
_WORDS_BEFORE: Final = 30
# What a speaker has spoken with so much certainty is what they are taken to speak where it cannot be told.
_SURE: Final = 0.5

# A GPU has room for that many; on a CPU a call takes longer than its windows one by one.
_MOST_ON_A_GPU: Final = 16


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
    """Language of streams that name none, BCP 47; `AUTO`: found out utterance by utterance."""
    prompt: str = ""
    """Text in the style that is wanted, which the model takes for what was said before."""
    context: bool = True
    """Lead into what is still open of a long utterance with the words before it; some distilled models cannot."""
    words: bool = False
    """Say where each word sounds; takes the model a little longer."""
    download: bool = False
    """A model that is not on this machine may be fetched."""
    batch: int = 0
    """Streams transcribed in one call, at most; 0: by the device."""
    limits: Limits = field(default_factory=Limits)
    """How much of an utterance is transcribed anew with every look."""


@dataclass(frozen=True, slots=True)
class _Found:
    """The language that an utterance was found to be in, if it was looked for."""

    language: str = ""
    confidence: float = 0.0


class WhisperRecognizer:
    """Transcribes for one stream; the model itself is shared, and of a long utterance only its end is decoded anew."""

    def __init__(self, network: WhisperNetwork, options: WhisperOptions, language: str, hints: tuple[str, ...]) -> None:
        """Use the shared model; `hints` are words that are likely."""
        self._network = network
        self._options = options
        self._language = "" if language == AUTO else language
        self._likely = ""
        self._found = _Found()
        self._hints = ", ".join(hints)
        self._window = Window(options.limits)
        self._audio: NDArray[np.float32] = np.zeros(0, dtype=np.float32)

    def transcribe(self, audio: NDArray[np.float32], *, final: bool) -> Transcript:
        """What is said in `audio`, an utterance so far; partials are searched less thoroughly, and have no word times.

        Words that were cut off in an earlier look at the same utterance stay as they are.
        """
        [answer] = do_together(self._network, [self.work(audio, final=final)])
        if isinstance(answer, Exception):
            raise answer
        return answer

    def work(self, audio: NDArray[np.float32], *, final: bool) -> Work:
        """The same in steps: gives one window after the other, takes what is heard in it, and ends with the whole."""
        self._follow(audio)
        window = self._window
        while (end := window.overflow(audio)) is not None:
            words = yield from self._open_part(audio, end, thorough=True)
            window.close(words, end)
        words = yield from self._open_part(audio, len(audio), thorough=final)
        whole = (*window.kept, *words)
        window.look(words, audio)
        return self._transcript(whole, final=final)

    def _follow(self, audio: NDArray[np.float32]) -> None:
        """Begin anew unless `audio` is the utterance of the last look, with more or less of its end."""
        common = min(len(self._audio), len(audio))
        if len(audio) <= self._window.first_sample or not np.array_equal(self._audio[:common], audio[:common]):
            self._window = Window(self._options.limits)
            if self._found.confidence >= _SURE:
                self._likely = self._found.language
            self._found = _Found()
        self._audio = audio

    def _open_part(
        self, audio: NDArray[np.float32], end: int, *, thorough: bool
    ) -> Generator[Sound, Heard, Sequence[Word]]:
        """The words of what is open of `audio` up to `end`; those whose places are not needed are one long word."""
        window, first = self._window, self._window.first_sample
        slides = end - first > self._options.limits.slide_seconds * _RATE_HZ
        timed = self._options.words or bool(window.kept) or slides or end < len(audio)
        led = "".join(word.text for word in window.kept[-_WORDS_BEFORE:]) if self._options.context else ""
        sound = Sound(
            audio[first:end],
            # An utterance that began in one language goes on in it.
            self._language or (self._found.language if window.kept else ""),
            likely=self._likely,
            before=f"{self._options.prompt} {led}".strip(),
            hints=self._hints,
            thorough=thorough,
            timed=timed,
        )
        heard = yield sound
        if not heard.is_trusted and sound.before:
            # Now and then it is the text before that leads into a loop.
            heard = yield replace(sound, before="")
        if heard.language_confidence is not None:
            self._found = _Found(heard.language, heard.language_confidence)
        if not heard.is_trusted:
            return ()
        if not timed:
            return (Word(heard.text, first, end),)
        return window.fresh([_moved(word, first) for word in heard.words])

    def _transcript(self, words: Sequence[Word], *, final: bool) -> Transcript:
        text = " ".join("".join(word.text for word in words).split())
        places = tuple(replace(word, text=word.text.strip()) for word in words) if self._options.words and final else ()
        found = self._found
        return Transcript(text, places, found.language, found.confidence if found.language else None)


class WhisperEngine:
    """The model, loaded once."""

    name = "faster-whisper"

    def __init__(self, options: WhisperOptions) -> None:
        """Load nothing yet."""
        self._options = options
        self._network: WhisperNetwork | None = None
        self._silero: InferenceSession | None = None
        self._device = ""
        self.model = options.model
        self.languages: tuple[str, ...] = (options.language,)

    def load(self) -> None:
        """Load the model and the voice detector, and transcribe once to warm up.

        Raises:
            Unavailable: the package, the model, the device or the compute type is not there.
        """
        if importlib.util.find_spec("faster_whisper") is None:
            raise Unavailable("faster-whisper is not installed: pip install 'parley[asr]'")
        self._device, compute_type = placement(self._options)
        self._silero = load_silero()
        # With it comes the whole of faster-whisper, which other engines do without.
        from asr_server.engines.whisper.network import WhisperNetwork

        model = _load(self._options, self._device, compute_type)
        self.model = Path(self._options.model).name
        self.languages = _languages(model, self._options.language)
        self._network = WhisperNetwork(model)
        self.recognizer(self.languages[0], ()).transcribe(np.zeros(_RATE_HZ, dtype=np.float32), final=True)

    def recognizer(self, language: str, hints: tuple[str, ...]) -> WhisperRecognizer:
        """A recogniser over the shared model."""
        assert self._network is not None  # noqa: S101 - the server loads before it serves
        return WhisperRecognizer(self._network, self._options, language, hints)

    @property
    def most(self) -> int:
        """Streams at once, at most."""
        return self._options.batch or (_MOST_ON_A_GPU if self._device == "cuda" else 1)

    def transcribe_together(self, jobs: Sequence[Job]) -> list[Transcript | Exception]:
        """An answer to each job; a window of each goes through the networks at once."""
        assert self._network is not None  # noqa: S101 - the server loads before it serves
        works = []
        for job in jobs:
            assert isinstance(job.recognizer, WhisperRecognizer)  # noqa: S101 - this engine has made it
            works.append(job.recognizer.work(job.audio, final=job.final))
        return do_together(self._network, works)

    def vad(self) -> SileroVad:
        """A voice detector over the shared network."""
        assert self._silero is not None  # noqa: S101 - as above
        return SileroVad(self._silero)


def do_together(network: WhisperNetwork, works: Sequence[Work]) -> list[Transcript | Exception]:
    """How each of `works` ends; they go on step by step, the windows of each step in one call."""
    answers: dict[int, Transcript | Exception] = {}
    heard: dict[int, Heard | None] = dict.fromkeys(range(len(works)))
    while heard:
        sounds: dict[int, Sound] = {}
        for number, one in heard.items():
            try:
                sounds[number] = next(works[number]) if one is None else works[number].send(one)
            except StopIteration as done:
                answers[number] = done.value
        heard = {}
        for number, result in zip(sounds, _hear_each(network, list(sounds.values())), strict=True):
            if isinstance(result, Exception):
                answers[number] = result
            else:
                heard[number] = result
    return [answers[number] for number in range(len(works))]


def _hear_each(network: WhisperNetwork, sounds: Sequence[Sound]) -> Sequence[Heard | Exception]:
    """What is heard in each sound; when all at once fails, each is tried alone."""
    if not sounds:
        return ()
    try:
        return network.hear(sounds)
    except (RuntimeError, ValueError) as error:
        # CTranslate2 has one error for a call: a sound that it cannot take, too little memory for so many.
        if len(sounds) == 1:
            return [error]
    return [answer for sound in sounds for answer in _hear_each(network, [sound])]


def _moved(word: Word, samples: int) -> Word:
    return replace(word, first_sample=word.first_sample + samples, end_sample=word.end_sample + samples)


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


def _languages(model: WhisperModel, first: str) -> tuple[str, ...]:
    """The languages of a model, the default first.

    Raises:
        Unavailable: the default is none of them.
    """
    # A model knows the languages that its vocabulary has a token for.
    codes = [code for code in model.supported_languages if model.hf_tokenizer.token_to_id(f"<|{code}|>") is not None]
    known = [*codes, AUTO] if model.model.is_multilingual else [_ENGLISH]
    if first not in known:
        raise Unavailable(f"PARLEY_ASR_LANGUAGE={first}: this model has {', '.join(known)}")
    return (first, *(each for each in known if each != first))
