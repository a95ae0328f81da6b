"""The recordings that an evaluation is made of: a folder of them, or sentences spoken by the TTS server."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from parley import tts
from parley._tls import tls_of
from parley.audio import resample
from parley.errors import InvalidInput
from parley_cli.arguments import sound as sound_of
from parley_cli.client import MIC_RATE_HZ
from parley_cli.eval.compose import at_speech_level, from_pcm, voiced_span
from parley_cli.speech import speech

if TYPE_CHECKING:
    from pathlib import Path

    from parley_cli.eval.compose import Sound

# Shorter than half a minute: longer turns are split by design, and have tests of their own.
_LONGEST_SECONDS: Final = 20.0
_LEAST_CLIPS: Final = 4
_SOFTEST: Final = 0.003
_NOISE_NAMES: Final = ("noise", "not-speech")
_SENTENCES: Final = (
    "What time is it?",
    "Tell me a joke about the weather.",
    "Please turn on the lamp in the living room.",
    "My name is Anna, and I live in Berlin.",
    "How much is twelve times seven?",
    "The train to London leaves at half past nine.",
    "Can you tell me the date of tomorrow?",
    "I would like a large coffee and two rolls.",
    "Where did we stop yesterday?",
    "Thank you, that was very helpful.",
    "Remind me to call my sister on Friday.",
    "We walked along the river until it was dark.",
)
# What people say to show that they listen, and to be left in peace.
BACKCHANNELS: Final = ("Yeah.", "Okay.", "Right.", "I see.")
STOPS: Final = ("Stop.", "Wait.", "Stop, please.")


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """Somebody says something; the sound begins and ends with their voice."""

    name: str
    """What to call it."""
    sound: Sound
    """float32 mono at 48 kHz, at the loudness of speech."""
    words: str
    """What is said; empty for a noise."""


@dataclass(frozen=True, slots=True)
class Clips:
    """What scenes are composed of."""

    speech: tuple[Clip, ...]
    """People speaking."""
    noises: tuple[Clip, ...]
    """No speech."""
    backchannels: tuple[Clip, ...]
    """Backchannels."""
    stops: tuple[Clip, ...]
    """Stop words."""


async def load_clips(folder: Path | None, server: str) -> Clips:
    """The clips of `folder`, or, without one, sentences that the TTS server at `server` speaks.

    In a folder, NAME.flac with the words in NAME.txt is speech, and a recording without words is a noise when its name
    begins with "noise" or "not-speech". Backchannels and stop words are always spoken by the TTS server.

    Raises:
        InvalidInput: the folder has too few recordings with words, or something else in their files.
    """
    speech, noises = _read(folder) if folder else ([], [])
    if folder is not None and len(speech) < _LEAST_CLIPS:
        raise InvalidInput(
            f"{folder} has {len(speech)} recordings with words: at least {_LEAST_CLIPS} NAME.flac with NAME.txt",
            field="clips",
        )
    async with tts.TtsClient(server, tls=tls_of(os.environ)) as client:
        backchannels = [await _spoken(client, text) for text in BACKCHANNELS]
        stops = [await _spoken(client, text) for text in STOPS]
        if folder is None:
            speech = [await _spoken(client, text) for text in _SENTENCES]
    return Clips(tuple(speech), tuple(noises), tuple(backchannels), tuple(stops))


def _read(folder: Path) -> tuple[list[Clip], list[Clip]]:
    speech: list[Clip] = []
    noises: list[Clip] = []
    for file in sorted(folder.glob("*.flac")):
        text = file.with_suffix(".txt")
        is_noise = file.name.startswith(_NOISE_NAMES)
        if not (text.exists() or is_noise):
            continue
        sound = from_pcm(sound_of(file, MIC_RATE_HZ))
        if text.exists() and len(sound) <= _LONGEST_SECONDS * MIC_RATE_HZ:
            speech.append(_clip(file.stem, sound, _words(text)))
        elif is_noise:
            noises.append(Clip(file.stem, sound, ""))
    return speech, noises


def _words(file: Path) -> str:
    try:
        return " ".join(file.read_text(encoding="utf-8").split())
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{file} is not in UTF-8: save it anew", field="clips") from error


def _clip(name: str, sound: Sound, words: str) -> Clip:
    first, end = voiced_span(sound)
    return Clip(name, at_speech_level(sound[first:end]), words)


async def _spoken(client: tts.TtsClient, text: str) -> Clip:
    pcm, rate = await speech(client, tts.Config(session_id="eval"), text)
    sound = from_pcm(resample(pcm, rate, MIC_RATE_HZ))
    # Made speech has no noise around it: every sound of it is voice, however soft.
    loud = np.flatnonzero(np.abs(sound) > _SOFTEST)
    return Clip(text, at_speech_level(sound[loud[0] : loud[-1] + 1]), text)
