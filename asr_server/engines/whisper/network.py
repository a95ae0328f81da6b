"""Whisper's networks over windows of sound, several at once: encoder, decoder, the language, where the words are.

CTranslate2 computes; faster-whisper brings features, vocabulary and alignment. Its own `transcribe` is not used: it
takes one sound at a time, and walks through it by timestamps, so that nobody knows how much it will decode.
Knows nothing of streams.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
from faster_whisper.tokenizer import Tokenizer
from faster_whisper.transcribe import get_suppressed_tokens, merge_punctuations

from asr_server.engine import RATE_HZ, Word
from asr_server.engines.whisper.heard import Heard

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ctranslate2 import StorageView
    from ctranslate2.models import WhisperGenerationResult
    from faster_whisper import WhisperModel
    from numpy.typing import NDArray

    from asr_server.engines.whisper.heard import Sound

_FRAMES: Final = 3_000
_FRAMES_A_SECOND: Final = 100
# With less, or less silence after the last word, the model goes on with words of its own.
_LEAST_SILENCE_FRAMES: Final = 500
_LEAST_FRAMES: Final = 1_000
_HOP_SAMPLES: Final = 160
# The spectrum of less cannot be taken.
_LEAST_SAMPLES: Final = 1_600
_BEAMS: Final = 5
# Nobody says more in any language; a network that goes on is in a loop.
_MOST_TOKENS_A_SECOND: Final = 25
_LEAST_TOKENS: Final = 16
_MOST_PROMPT_TOKENS: Final = 64
_OPENING: Final = "\"'“¿([{-"
_CLOSING: Final = "\"'.。,，!！?？:：”)]}、"
_ENGLISH: Final = "en"
# A language is believed from this probability on; in a word or two it is often the wrong one.
_SURE: Final = 0.5
_SURE_OF_BRIEF: Final = 0.8
_BRIEF_SECONDS: Final = 2.0


class WhisperNetwork:
    """The model; calls may not overlap."""

    def __init__(self, model: WhisperModel) -> None:
        """Use this model."""
        self._model = model
        self._tokenizers: dict[str, Tokenizer] = {}
        self._suppressed = list(get_suppressed_tokens(self._tokenizer(_ENGLISH), [-1]))

    def hear(self, sounds: Sequence[Sound]) -> list[Heard]:
        """What is said in each of `sounds`."""
        heard: dict[int, Heard] = {}
        # The decoder takes prompts of one length and one width of search at a time.
        alike: dict[tuple[int, bool], list[int]] = defaultdict(list)
        for number, sound in enumerate(sounds):
            # The prompt is as long in any language.
            alike[len(self._prompt(sound, _ENGLISH)), sound.thorough].append(number)
        for numbers in alike.values():
            heard |= zip(numbers, self._hear_alike([sounds[number] for number in numbers]), strict=True)
        return [heard[number] for number in range(len(sounds))]

    def _tokenizer(self, language: str) -> Tokenizer:
        if language not in self._tokenizers:
            multilingual = self._model.model.is_multilingual
            self._tokenizers[language] = Tokenizer(
                self._model.hf_tokenizer, multilingual, task="transcribe", language=language
            )
        return self._tokenizers[language]

    def _prompt(self, sound: Sound, language: str) -> list[int]:
        tokenizer = self._tokenizer(language)
        before = tokenizer.encode(" " + sound.before.strip())[-_MOST_PROMPT_TOKENS:] if sound.before.strip() else []
        prompt: list[int] = self._model.get_prompt(
            tokenizer, before, without_timestamps=True, hotwords=sound.hints or None
        )
        return prompt

    def _hear_alike(self, sounds: Sequence[Sound]) -> list[Heard]:
        frames = max(_frames(sound) for sound in sounds)
        encoded = self._model.encode(np.stack([self._features(sound.audio, frames) for sound in sounds]))
        languages = self._languages(sounds, encoded)
        prompts = [self._prompt(sound, language) for sound, (language, _) in zip(sounds, languages, strict=True)]
        seconds = max(len(sound.audio) for sound in sounds) / RATE_HZ
        most = len(prompts[0]) + _LEAST_TOKENS + round(_MOST_TOKENS_A_SECOND * seconds)
        results = self._model.model.generate(
            encoded,
            prompts,
            beam_size=_BEAMS if sounds[0].thorough else 1,
            max_length=min(most, self._model.max_length),
            return_scores=True,
            return_no_speech_prob=True,
            suppress_tokens=self._suppressed,
        )
        heard = [self._heard(result, *language) for result, language in zip(results, languages, strict=True)]
        # The language is part of what an alignment begins with, one for all.
        for language in {one.language for one, sound in zip(heard, sounds, strict=True) if sound.timed}:
            words = self._words(encoded, language, sounds, [result.sequences_ids[0] for result in results])
            heard = [
                replace(one, words=its) if sound.timed and one.language == language else one
                for one, its, sound in zip(heard, words, sounds, strict=True)
            ]
        return heard

    def _languages(self, sounds: Sequence[Sound], encoded: StorageView) -> list[tuple[str, float | None]]:
        """The language of each sound, and how sure it is where it had to be found out."""
        if not any(not sound.language for sound in sounds):
            return [(sound.language, None) for sound in sounds]
        found = self._model.model.detect_language(encoded)
        return [
            (sound.language, None) if sound.language else _language(sound, {token[2:-2]: p for token, p in ranked})
            for sound, ranked in zip(sounds, found, strict=True)
        ]

    def _features(self, audio: NDArray[np.float32], frames: int) -> NDArray[np.float32]:
        padded = np.pad(audio, (0, max(0, _LEAST_SAMPLES - len(audio))))
        features: NDArray[np.float32] = self._model.feature_extractor(padded)[:, :-1][:, :_FRAMES]
        return np.pad(features, ((0, 0), (0, frames - features.shape[1])))

    def _heard(self, result: WhisperGenerationResult, language: str, confidence: float | None) -> Heard:
        tokens = result.sequences_ids[0]
        text = self._tokenizer(language).decode(tokens)
        # The score is the mean over the tokens without the end, which the model has chosen as well.
        log_probability = result.scores[0] * len(tokens) / (len(tokens) + 1)
        return Heard(text, (), log_probability, result.no_speech_prob, language, confidence)

    def _words(
        self, encoded: StorageView, language: str, sounds: Sequence[Sound], tokens: list[list[int]]
    ) -> list[tuple[Word, ...]]:
        """The words of each sound, as if all were in `language`."""
        frames = [max(len(sound.audio), _LEAST_SAMPLES) // _HOP_SAMPLES for sound in sounds]
        found = []
        for alignment in self._model.find_alignment(self._tokenizer(language), tokens, encoded, frames):
            merge_punctuations(alignment, _OPENING, _CLOSING)
            found.append(
                tuple(
                    Word(
                        timing["word"],
                        round(timing["start"] * RATE_HZ),
                        round(timing["end"] * RATE_HZ),
                        float(timing["probability"]),
                    )
                    for timing in alignment
                    if timing["word"].strip()
                )
            )
        return found


def _frames(sound: Sound) -> int:
    """Frames that the encoder is given for a sound, in whole seconds; what it is not given costs nothing."""
    silence = len(sound.audio) // _HOP_SAMPLES + _LEAST_SILENCE_FRAMES
    wanted = max(_LEAST_FRAMES, silence, sound.context_seconds * _FRAMES_A_SECOND)
    return min(_FRAMES, math.ceil(wanted / _FRAMES_A_SECOND) * _FRAMES_A_SECOND)


def _language(sound: Sound, probabilities: dict[str, float]) -> tuple[str, float]:
    """The language to take a sound for, and its probability."""
    best = max(probabilities, key=probabilities.__getitem__)
    needed = _SURE_OF_BRIEF if len(sound.audio) < _BRIEF_SECONDS * RATE_HZ else _SURE
    language = best if probabilities[best] >= needed else sound.likely or best
    return language, probabilities.get(language, 0.0)
