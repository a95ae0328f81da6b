"""Transcribes one stream with a shared Whisper: of a long utterance only the end is decoded anew (`window`).

A transcription is a generator that asks for one window after the other, so that the windows of several streams go
through the networks in one call. Knows nothing of how the model was loaded.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from asr_server.engine import AUTO, RATE_HZ, Transcript, Word
from asr_server.engines.whisper.heard import Sound
from asr_server.engines.whisper.window import Window

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from numpy.typing import NDArray

    from asr_server.engines.whisper.heard import Heard
    from asr_server.engines.whisper.network import WhisperNetwork
    from asr_server.engines.whisper.options import WhisperOptions

    Work: TypeAlias = Generator[Sound, Heard, Transcript]

# So many words before the open part of an utterance lead into it.
_WORDS_BEFORE: Final = 30
# What the model was trained on.
_WHOLE_SECONDS: Final = 30.0
# What a speaker has spoken with so much certainty is what they are taken to speak where it cannot be told.
_SURE: Final = 0.5


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
        self._brief_seconds = options.partial_context_seconds or _WHOLE_SECONDS
        self._window = Window(options.limits)
        self._audio: NDArray[np.float32] = np.zeros(0, dtype=np.float32)

    def transcribe(self, audio: NDArray[np.float32], *, final: bool) -> Transcript:
        """What is said in `audio`, an utterance so far; partials are searched less thoroughly, and have no word times.

        Words that were cut off by an earlier transcription of the same utterance stay as they are.
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
        """Begin anew unless `audio` is the utterance of the last transcription, with more or less of its end."""
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
        slides = end - first > self._options.limits.slide_seconds * RATE_HZ
        # What is heard now may stay until the end.
        stays = bool(window.kept) or slides or end < len(audio)
        timed = self._options.words or stays
        led = "".join(word.text for word in window.kept[-_WORDS_BEFORE:]) if self._options.context else ""
        sound = Sound(
            audio[first:end],
            # An utterance that began in one language goes on in it.
            self._language or (self._found.language if window.kept else ""),
            likely=self._likely,
            before=f"{self._options.prompt} {led}".strip(),
            hints=self._hints,
            thorough=thorough,
            context_seconds=_WHOLE_SECONDS if thorough or stays else self._brief_seconds,
            timed=timed,
        )
        heard = yield sound
        if not heard.is_trusted and sound.context_seconds < _WHOLE_SECONDS:
            heard = yield (sound := replace(sound, context_seconds=_WHOLE_SECONDS))
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
