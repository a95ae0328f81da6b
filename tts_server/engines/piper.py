"""Piper: neural voices for some forty languages, on a CPU or a GPU.

It makes a sentence in one go, so what comes first must be short, and is: the text is cut before it comes here. A run
that nobody wants any more is ended within the network. Piper scales each sentence to full loudness by default, which
makes some louder than others; here the sound is the network's own. piper-tts is GPL-3.0-or-later, and is
loaded in the TTS server's process only; its phonemizer is global to the process, and holds a lock of its own.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING, Final

import numpy as np

from parley.audio import to_s16le
from parley.errors import EngineFailed, Unavailable
from tts_server.engine import Audio, SpeechRequest, Voice, WordMark
from tts_server.engines.piper_voices import LoadedVoice, PiperOptions, find_models, load_voice
from tts_server.text.chunker import without_short_stops
from tts_server.text.marks import words_of
from tts_server.text.phonemes import GAP, place_words

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray
    from onnxruntime import RunOptions
    from piper import PiperVoice

    Feed = dict[str, NDArray[np.int64] | NDArray[np.float32]]
    Outputs = list[NDArray[np.float32]]

_CHUNK_SECONDS: Final = 0.2
# Cores for one sentence; more make it little faster.
_MOST_THREADS: Final = 4
# Sentences at once on a GPU.
_PARALLEL_CUDA: Final = 4
# How often a run looks whether it is still wanted.
_STOP_CHECK_SECONDS: Final = 0.005
# Every language has words for digits.
_WARM_UP_TEXT: Final = "1, 2, 3, 4, 5, 6, 7, 8, 9."
# Words whose phonemes are kept: it takes 0.1 ms to ask for those of one.
_WORDS: Final = 4_096
_BEGIN, _PAD = "^", "_"


@dataclass(frozen=True, slots=True)
class _Speaker:
    """Who says something."""

    piper: PiperVoice
    """The model."""
    number: int | None
    """Which of its speakers; None where there is one."""
    alone: Callable[[str], tuple[str, ...]]
    """Phonemes of a word by itself."""


class PiperEngine:
    """Every voice of a folder, loaded once."""

    def __init__(self, options: PiperOptions) -> None:
        """Load nothing yet."""
        cores = os.cpu_count() or 1
        self._options = options
        self._threads = max(1, min(_MOST_THREADS, cores // 2))
        self._parallel = _PARALLEL_CUDA if options.device == "cuda" else max(1, cores // self._threads)
        # A network runs on a thread of its own, so that the one that waits for it can end it.
        self._runs = ThreadPoolExecutor(self._parallel, thread_name_prefix="piper")
        self._speakers: dict[str, _Speaker] = {}

    @property
    def name(self) -> str:
        """Name of the engine."""
        return "piper"

    @property
    def parallel(self) -> int:
        """As many sentences at once as there are cores for."""
        return self._parallel

    def load(self) -> tuple[Voice, ...]:
        """Load every voice of the folder, and have each say something; a model's speakers follow it as NAME:SPEAKER.

        Raises:
            Unavailable: the package, a voice, its config or the device is not there.
        """
        models = find_models(self._options)
        loaded = [load_voice(model, self._options.device, self._threads) for model in models]
        return tuple(voice for each in loaded for voice in self._add(each))

    def speak(self, request: SpeechRequest, stop: threading.Event) -> Iterator[Audio | WordMark]:
        """Sound and marks of a text, a sentence after the other.

        Raises:
            EngineFailed: the network failed.
        """
        speaker = self._speakers[request.voice.name]
        text = _plain(request.text)
        sentences = _phonemes(speaker.piper, text)
        words = words_of(request.text)
        whole = [each for sentence in sentences for each in (*sentence, GAP)]
        places = place_words([speaker.alone(text[start:end]) for start, end in words], whole)
        first = samples = marked = 0
        for sentence in sentences:
            made = self._run(speaker, sentence, request.speed, stop)
            if made is None:
                return
            sound = made[0].reshape(-1)
            starts, estimated = _starts(speaker.piper, sentence, made)
            while marked < len(words) and places[marked] <= first + len(sentence):
                sample = samples + starts[min(places[marked] - first, len(sentence) - 1)]
                yield WordMark(*words[marked], sample, estimated)
                marked += 1
            yield from _chunks(to_s16le(sound), request.voice.sample_rate_hz, stop)
            first, samples = first + len(sentence) + 1, samples + len(sound)
        # What the voice has no sound for.
        yield from (WordMark(*word, samples, estimated=True) for word in words[marked:])

    def _add(self, loaded: LoadedVoice) -> list[Voice]:
        piper = loaded.piper

        @lru_cache(_WORDS)
        def alone(word: str) -> tuple[str, ...]:
            return tuple(each for sentence in _phonemes(piper, word) for each in sentence)

        _warm_up(loaded)
        voices = []
        who = {"": loaded.speaker} | {f":{speaker}": number for speaker, number in loaded.speakers.items()}
        for suffix, number in who.items():
            self._speakers[loaded.name + suffix] = _Speaker(piper, number, alone)
            description = loaded.description + (f", speaker {suffix[1:]}" if suffix else "")
            rate = piper.config.sample_rate
            voices.append(Voice(loaded.name + suffix, loaded.language, description, rate, loaded.fingerprint))
        return voices

    def _run(self, speaker: _Speaker, phonemes: Sequence[str], speed: float, stop: threading.Event) -> Outputs | None:
        """What the network makes of a sentence; None once `stop` is set."""
        from onnxruntime import RunOptions

        feed = _feed(speaker.piper, phonemes, speaker.number, speed)
        options = RunOptions()
        run = self._runs.submit(_infer, speaker.piper, feed, options)
        while wait([run], None if options.terminate else _STOP_CHECK_SECONDS).not_done:
            options.terminate = stop.is_set()
        # One that was ended has failed, in its own words.
        return None if stop.is_set() else run.result()


def _plain(text: str) -> str:
    """`text` in as many characters, without what the phonemizer would take for phonemes or for another sentence."""
    return without_short_stops(text.replace("\0", " ").replace("[[", "  ").replace("]]", "  "))


def _phonemes(piper: PiperVoice, text: str) -> list[list[str]]:
    """Phonemes that the voice knows, a list for each sentence."""
    known = piper.config.phoneme_id_map
    sentences = [[each for each in sentence if each in known] for sentence in piper.phonemize(text)]
    return [sentence for sentence in sentences if sentence]


def _feed(piper: PiperVoice, phonemes: Sequence[str], speaker: int | None, speed: float) -> Feed:
    """What the network takes."""
    config = piper.config
    ids = piper.phonemes_to_ids(list(phonemes))
    scales = (config.noise_scale, config.length_scale / speed, config.noise_w_scale)
    feed: Feed = {
        "input": np.array([ids], dtype=np.int64),
        "input_lengths": np.array([len(ids)], dtype=np.int64),
        "scales": np.array(scales, dtype=np.float32),
    }
    return feed if speaker is None else feed | {"sid": np.array([speaker], dtype=np.int64)}


def _infer(piper: PiperVoice, feed: Feed, options: RunOptions | None) -> Outputs:
    """What the network makes of `feed`.

    Raises:
        EngineFailed: it failed, or was ended.
    """
    from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument, RuntimeException

    try:
        outputs: Outputs = piper.session.run(None, feed, options)
    except (Fail, InvalidArgument, RuntimeException) as error:
        raise EngineFailed(f"piper failed: {error}") from error
    return outputs


def _starts(piper: PiperVoice, phonemes: Sequence[str], made: Outputs) -> tuple[list[int], bool]:
    """The sample at which each phoneme begins, and whether that is only reckoned from their number."""
    known = piper.config.phoneme_id_map
    pad = len(known[_PAD])
    # Ids before each phoneme: those of the beginning, and of the phonemes before it, each with a pause after it.
    before = list(accumulate((len(known[each]) + pad for each in phonemes), initial=len(known[_BEGIN]) + pad))
    samples = made[0].size
    frames = made[1].reshape(-1) if len(made) > 1 else np.empty(0, dtype=np.float32)
    if len(frames) < before[-1]:
        return [samples * place // len(phonemes) for place in range(len(phonemes))], True
    ends = np.concatenate(([0], np.cumsum(frames))) * piper.config.hop_length
    return [min(int(ends[place]), samples) for place in before[:-1]], False


def _chunks(pcm: bytes, rate_hz: int, stop: threading.Event) -> Iterator[Audio]:
    size = round(_CHUNK_SECONDS * rate_hz) * 2
    for place in range(0, len(pcm), size):
        if stop.is_set():
            return
        yield Audio(pcm[place : place + size])


def _warm_up(loaded: LoadedVoice) -> None:
    """Have a voice say something.

    Raises:
        Unavailable: it cannot.
    """
    piper = loaded.piper
    try:
        phonemes = [each for sentence in _phonemes(piper, _WARM_UP_TEXT) for each in sentence]
        feed = _feed(piper, phonemes or list(piper.config.phoneme_id_map), loaded.speaker, 1.0)
        _infer(piper, feed, None)
    except (EngineFailed, KeyError, RuntimeError) as error:
        raise Unavailable(f"voice {loaded.name} cannot speak: {error}") from error
