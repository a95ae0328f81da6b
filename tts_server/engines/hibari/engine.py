"""The voice of the hibari-tts package as an engine; code and network are Apache-2.0.

A phrase is one run of the network on one thread, which is ended as soon as nobody wants it any more; its sound is then
made piece by piece. The package's own class can do neither, and would fetch its other voices from the network, so only
its phonemizer and its signal processing are used. What has no phonemes, or is in another script, is spoken by another
engine, whose voices stand beside this one. The sound, soft with high peaks by itself, gets the level of all voices.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import threading
import zlib
from dataclasses import dataclass, replace
from importlib.metadata import version
from importlib.resources import files
from typing import TYPE_CHECKING, Final

import numpy as np

from parley.audio import resample, to_float32, to_s16le
from parley.errors import Unavailable, not_installed
from tts_server.engine import Audio, SpeechRequest, Voice, WordMark, choose
from tts_server.engines.dynamics import CEILING, Dynamics
from tts_server.engines.hibari.network import Network, load_errors
from tts_server.engines.hibari.phrases import OTHER, phrases_of
from tts_server.engines.hibari.pronunciation import pronounce
from tts_server.engines.hibari.sound import Trimmed
from tts_server.engines.hibari.vocoder import render
from tts_server.engines.loudness import LEVEL_DB, gain_of, sample_of
from tts_server.limiter import Limiter
from tts_server.text.marks import mark_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hibari.g2p import G2P
    from numpy.typing import NDArray

    from tts_server.engine import Engine
    from tts_server.engines.hibari.phrases import Phrase
    from tts_server.engines.hibari.pronunciation import Chunk

VOICE: Final = "heart"
_RATE_HZ: Final = 24_000
_LANGUAGE: Final = "en-US"
_UNKNOWN_WORD: Final = "Zyxgorv"
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
    sound: Iterator[NDArray[np.float32]]
    """Its sound, as it is to be heard."""


class HibariEngine:
    """The voice, and another engine beside it."""

    def __init__(self, other: Engine, ratio: float) -> None:
        """Load nothing yet; `other` speaks what this voice cannot. Compress by `ratio`; 1: not at all."""
        self._parallel = os.cpu_count() or 1
        self._other = other
        self._ratio = ratio
        self._others: tuple[Voice, ...] = ()
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
        """Load the network and what phonemes are made with, and have the voice say something; its voice, then others.

        Raises:
            Unavailable: a package is not installed, or does not hold what it should.
        """
        for package, name in (("hibari", "hibari-tts"), ("onnxruntime", "onnxruntime")):
            if importlib.util.find_spec(package) is None:
                raise not_installed(name, "hibari")
        try:
            model = self._open()
        except (ImportError, OSError, EOFError, ValueError, LookupError, TypeError, zlib.error) as error:
            raise Unavailable(f"hibari-tts is broken, install hibari-tts 0.2.1 anew: {error!r}") from error
        self._gain = self._measured_gain()
        made_by = f"{version('hibari-tts')} {LEVEL_DB} {self._ratio} {hashlib.sha256(model).hexdigest()}"
        heart = Voice(VOICE, _LANGUAGE, "Heart, American English, female, neural", _RATE_HZ, quick=True, natural=True)
        self._others = tuple(
            replace(voice, engine=self._other.name, description=f"{voice.description}, {self._other.name}")
            for voice in self._other.load()
        )
        return replace(heart, fingerprint=made_by), *self._others

    def _open(self) -> bytes:
        """Load everything; the network's file."""
        from hibari.g2p import G2P

        assets = files("hibari") / "assets"
        model = (assets / "hibari.onnx").read_bytes()
        self._network = Network(model, json.loads((assets / "vocab.json").read_text("utf-8")), self._parallel)
        self._g2p = G2P()
        try:
            # The network for unknown words is loaded when there is one, for which somebody would wait.
            unknown = pronounce(self._g2p, _UNKNOWN_WORD)
        except load_errors() as error:
            raise Unavailable(f"hibari-tts is broken, install hibari-tts 0.2.1 anew: {error}") from error
        if unknown is None:
            raise ValueError(f"no sounds for {_UNKNOWN_WORD}")
        return model

    def speak(self, request: SpeechRequest, stop: threading.Event) -> Iterator[Audio | WordMark]:
        """Sound and marks of a text, a phrase after the other.

        Raises:
            EngineFailed: the network or espeak failed.
        """
        if request.voice.name != VOICE:
            yield from self._other.speak(request, stop)
            return
        samples = 0
        phrases = list(phrases_of(request.text))
        for number, phrase in enumerate(phrases, 1):
            spoken = self._phrase(request, phrase, stop, last=number == len(phrases))
            if spoken is None:
                return
            for mark in spoken.marks:
                start, end = mark.start_char + phrase.start, mark.end_char + phrase.start
                yield WordMark(start, end, mark.sample + samples, mark.estimated)
            for block in spoken.sound:
                if stop.is_set():
                    return
                samples += len(block)
                if len(block):
                    yield Audio(to_s16le(block))

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
        marks = mark_words(text, given, frames.samples - sound.taken_off)
        return _Spoken(marks, _through(Dynamics(_RATE_HZ, self._ratio), sound))

    def _foreign(self, request: SpeechRequest, language: str, stop: threading.Event, pause: float) -> _Spoken | None:
        """A phrase by the other engine, at this voice's rate."""
        voice = choose(self._others, "", language)
        events = list(self._other.speak(replace(request, voice=voice), stop))
        if stop.is_set():
            return None
        pcm = b"".join(event.pcm for event in events if isinstance(event, Audio))
        sound = Trimmed(iter([to_float32(resample(pcm, voice.sample_rate_hz, _RATE_HZ))]), _RATE_HZ, pause)
        marks = [
            replace(event, sample=max(0, event.sample * _RATE_HZ // voice.sample_rate_hz - sound.taken_off))
            for event in events
            if isinstance(event, WordMark)
        ]
        # It has its level already, but at another rate its peaks are others.
        return _Spoken(marks, _through(Limiter(_RATE_HZ, CEILING), sound))

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
        chunks = pronounce(self._g2p, sample_of(_LANGUAGE))
        frames = self._network.run(self._joined(chunks or [])[0], 1.0, threading.Event())
        sound: list[NDArray[np.float32]] = []
        if frames is not None:
            sound = list(render(frames.spectra, np.random.default_rng(_SEED)))
        gain = gain_of(np.concatenate(sound), _RATE_HZ, self._ratio) if sound else None
        if gain is None:
            raise Unavailable("hibari's voice makes no sound: install hibari-tts 0.2.1 anew")
        return gain


def _through(stage: Dynamics | Limiter, blocks: Iterable[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
    """The sound after a stage."""
    for block in blocks:
        yield stage.push(block)
    yield stage.finish()
