"""The voice of the hibari-tts package as an engine; code and network are Apache-2.0.

A phrase is one run of the network on one thread, which is ended as soon as nobody wants it any more; its sound is then
made piece by piece. The package's own class can do neither, and would fetch its other voices from the network, so only
its phonemizer and its signal processing are used. What has no phonemes, or is in another script, is spoken by espeak,
whose voices stand beside this one. The sound is as loud as espeak's: soft with high peaks by itself, it goes through a
gain and a limiter.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import threading
from dataclasses import dataclass, replace
from importlib.metadata import version
from importlib.resources import files
from typing import TYPE_CHECKING, Final

import numpy as np

from parley.audio import resample, to_float32, to_s16le
from parley.errors import Unavailable, not_installed
from tts_server.engine import Audio, SpeechRequest, Voice, WordMark, choose
from tts_server.engines.espeak import EspeakEngine
from tts_server.engines.hibari.network import Network
from tts_server.engines.hibari.phrases import OTHER, phrases_of
from tts_server.engines.hibari.pronunciation import pronounce
from tts_server.engines.hibari.sound import Trimmed, loudness_db
from tts_server.engines.hibari.vocoder import render
from tts_server.limiter import Limiter
from tts_server.text.marks import mark_words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hibari.g2p import G2P
    from numpy.typing import NDArray

    from tts_server.engines.hibari.phrases import Phrase
    from tts_server.engines.hibari.pronunciation import Chunk

VOICE: Final = "heart"
_RATE_HZ: Final = 24_000
# What espeak has, over some sentences; the same for all voices that a listener may switch between.
_LOUDNESS_DB: Final = -21.0
_CEILING: Final = 0.9
_WARM_UP_TEXT: Final = "The quick brown fox jumps over the lazy dog, and nobody knows why it does so."
# A word is heard so much before the network says that its first phoneme begins, by its onsets after pauses.
_EARLY_SECONDS: Final = 0.025
_SENTENCE_PAUSE_SECONDS: Final = 0.2
_PAUSE_SECONDS: Final = 0.1
_END_SECONDS: Final = 0.06
# The noise in a voice is the same each time, so that the same text has the same sound.
_SEED: Final = 1


@dataclass(frozen=True, slots=True)
class _Spoken:
    """A phrase as sound that is yet to be made."""

    marks: list[WordMark]
    """Its words, in the phrase's own characters and samples."""
    sound: Trimmed
    """Its sound."""


class HibariEngine:
    """The voice, and espeak beside it."""

    def __init__(self) -> None:
        """Load nothing yet."""
        self._parallel = os.cpu_count() or 1
        self._espeak = EspeakEngine()
        # The library has one state for the whole process.
        self._espeak_lock = threading.Lock()
        self._espeak_voices: tuple[Voice, ...] = ()
        self._g2p: G2P
        self._network: Network
        self._gain = 1.0

    @property
    def name(self) -> str:
        """Name of the engine."""
        return "hibari"

    @property
    def parallel(self) -> int:
        """As many texts at once as there are cores, each on one of them."""
        return self._parallel

    def load(self) -> tuple[Voice, ...]:
        """Load the network and what phonemes are made with, and have the voice say something; its voice, then espeak's.

        Raises:
            Unavailable: a package is not installed, or holds another network.
        """
        for package, name in (("hibari", "hibari-tts"), ("onnxruntime", "onnxruntime")):
            if importlib.util.find_spec(package) is None:
                raise not_installed(name, "hibari")
        from hibari.g2p import G2P

        assets = files("hibari") / "assets"
        model = (assets / "hibari.onnx").read_bytes()
        self._network = Network(model, json.loads((assets / "vocab.json").read_text("utf-8")), self._parallel)
        self._g2p = G2P()
        self._espeak_voices = self._espeak.load()
        self._gain = self._measured_gain()
        made_by = f"{version('hibari-tts')} {_LOUDNESS_DB} {_CEILING} {hashlib.sha256(model).hexdigest()}"
        return Voice(VOICE, "en-US", "Heart, American English, neural", _RATE_HZ, made_by), *self._espeak_voices

    def speak(self, request: SpeechRequest, stop: threading.Event) -> Iterator[Audio | WordMark]:
        """Sound and marks of a text, a phrase after the other.

        Raises:
            EngineFailed: the network or espeak failed.
        """
        if request.voice.name != VOICE:
            yield from self._by_espeak(request, stop)
            return
        limiter, samples = Limiter(_RATE_HZ, _CEILING), 0
        phrases = list(phrases_of(request.text))
        for number, phrase in enumerate(phrases, 1):
            spoken = self._phrase(request, phrase, stop, last=number == len(phrases))
            if spoken is None:
                return
            for mark in spoken.marks:
                start, end = mark.start_char + phrase.start, mark.end_char + phrase.start
                yield WordMark(start, end, mark.sample + samples, mark.estimated)
            for block in spoken.sound:
                samples += len(block)
                ready = limiter.push(block)
                if stop.is_set():
                    return
                if len(ready):
                    yield Audio(to_s16le(ready))
        if len(rest := limiter.finish()):
            yield Audio(to_s16le(rest))

    def _phrase(self, request: SpeechRequest, phrase: Phrase, stop: threading.Event, *, last: bool) -> _Spoken | None:
        """A phrase by who can say it; None once `stop` is set."""
        pause = _END_SECONDS if last else _SENTENCE_PAUSE_SECONDS if phrase.ends_sentence else _PAUSE_SECONDS
        text = request.text[phrase.start : phrase.end]
        chunks = None if phrase.language else pronounce(self._g2p, text)
        if chunks is None:
            return self._foreign(replace(request, text=text), phrase.language or OTHER, stop, pause)
        phonemes, starts = self._joined(chunks)
        frames = self._network.run(phonemes, request.speed, stop)
        if frames is None:
            return None
        sounds = (block * np.float32(self._gain) for block in render(frames.spectra, np.random.default_rng(_SEED)))
        sound = Trimmed(sounds, _RATE_HZ, pause)
        early = sound.taken_off + round(_EARLY_SECONDS * _RATE_HZ)
        given = [
            WordMark(chunk.start, chunk.end, max(0, frames.starts[start] - early))
            for chunk, start in zip(chunks, starts, strict=True)
            if start < len(frames.starts)
        ]
        return _Spoken(mark_words(text, given, frames.samples - sound.taken_off), sound)

    def _foreign(self, request: SpeechRequest, language: str, stop: threading.Event, pause: float) -> _Spoken | None:
        """A phrase by espeak, at this voice's rate."""
        voice = choose(self._espeak_voices, "", language)
        events = self._by_espeak(replace(request, voice=voice), stop)
        if stop.is_set():
            return None
        pcm = b"".join(event.pcm for event in events if isinstance(event, Audio))
        sound = Trimmed(iter([to_float32(resample(pcm, voice.sample_rate_hz, _RATE_HZ))]), _RATE_HZ, pause)
        marks = [
            replace(event, sample=max(0, event.sample * _RATE_HZ // voice.sample_rate_hz - sound.taken_off))
            for event in events
            if isinstance(event, WordMark)
        ]
        return _Spoken(marks, sound)

    def _by_espeak(self, request: SpeechRequest, stop: threading.Event) -> list[Audio | WordMark]:
        """What espeak says, one text after the other; a text takes it a few milliseconds."""
        with self._espeak_lock:
            return list(self._espeak.speak(request, stop))

    def _joined(self, chunks: list[Chunk]) -> tuple[str, list[int]]:
        """The phonemes of all chunks that the network knows, and the place of each chunk's first one."""
        phonemes, starts = "", []
        for chunk in chunks:
            phonemes += " " if phonemes and chunk.phonemes else ""
            starts.append(len(phonemes))
            phonemes += self._network.known(chunk.phonemes)
        return phonemes, starts

    def _measured_gain(self) -> float:
        """What the voice is to be multiplied by to be as loud as the others.

        Raises:
            Unavailable: it says nothing.
        """
        chunks = pronounce(self._g2p, _WARM_UP_TEXT)
        frames = self._network.run(self._joined(chunks or [])[0], 1.0, threading.Event())
        sound: list[NDArray[np.float32]] = []
        if frames is not None:
            sound = list(render(frames.spectra, np.random.default_rng(_SEED)))
        loudness = loudness_db(np.concatenate(sound), _RATE_HZ) if sound else float("-inf")
        if loudness == float("-inf"):
            raise Unavailable("hibari's voice makes no sound: install hibari-tts 0.2.1 anew")
        return float(10 ** ((_LOUDNESS_DB - loudness) / 20))
