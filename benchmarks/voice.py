"""How soon and how fast a speech engine speaks, how well it is understood, and how soon it stops, on this machine.

    PYTHONPATH=. python benchmarks/voice.py [--rounds 5] [--engine hibari] [--first-words 8]

Fifteen sentences, normalized and cut as the TTS server does where they come at once; they are spoken without a cache,
one after the other. `--first-words` has the first piece end after so many words, 0 only with a clause. Torn are first
pieces that end without a mark.
First audio is the time from the first piece's text to its first sound, the real-time factor the time for all of a
sentence over the length of its sound. "Stops" is the time from the listener's leaving, half way to the first audio, to
the engine's return. Words wrong are those that Moonshine hears otherwise; figures for numbers are none.
"""

from __future__ import annotations

import argparse
import threading
import time
from typing import TYPE_CHECKING, Final

import jiwer
import numpy as np

from asr_server.engines.moonshine.engine import MoonshineEngine
from parley.audio import SAMPLE_BYTES, resample, to_float32
from parley_cli.percentiles import percentile
from serving.config import read
from tts_server.config import TtsConfig
from tts_server.engine import Audio, SpeechRequest
from tts_server.engines import open_engine
from tts_server.text.chunker import FIRST_WORDS, Chunker, ChunkerConfig
from tts_server.text.normalize import normalize

if TYPE_CHECKING:
    from tts_server.engine import Engine, Voice

SENTENCES: Final = (
    "Hello! How can I help you today?",
    "It is half past nine in the morning.",
    "The meeting was moved to Thursday afternoon, so you have two more days to prepare.",
    "Seven times eight is fifty six.",
    "I cannot look outside, but I can tell you what time it is.",
    "Nice to meet you, Peter.",
    "The train from Boston arrives at seven thirty, but nobody will be there to meet it.",
    "Would you like me to read the next message?",
    "I have set a timer for twenty minutes.",
    "Please tell me more about that.",
    "The quick brown fox jumps over the lazy dog.",
    "Water boils at one hundred degrees, unless you are standing on a high mountain.",
    "Sorry, I did not understand that. Could you say it again?",
    "The largest planet of the solar system is Jupiter.",
    "Goodbye, and have a pleasant evening!",
)
FIGURES: Final = (
    *(("7.30", "seven thirty"), ("7:30", "seven thirty"), ("9.30", "half past nine"), ("9:30", "half past nine")),
    *(("56", "fifty six"), ("100", "one hundred"), ("20", "twenty"), ("7", "seven"), ("8", "eight")),
)
QUIET: Final = np.zeros(4_800, dtype=np.float32)


def pieces(text: str, voice: Voice, first_words: int) -> list[str]:
    """What the TTS server gives its engine."""
    chunker = Chunker(ChunkerConfig(first_words=first_words))
    cut = [*chunker.add(text), *chunker.flush()]
    return [normalize(each.text, fence="", language=voice.language, begins_line=True).text for each in cut]


def speak(engine: Engine, voice: Voice, cut: list[str]) -> tuple[bytes, float, float]:
    """Sound of the pieces of a text, and the seconds to its first and its last sample."""
    begun, first, sound = time.perf_counter(), 0.0, bytearray()
    for piece in cut:
        for event in engine.speak(SpeechRequest(piece, voice, 1.0), threading.Event()):
            if isinstance(event, Audio):
                first = first or time.perf_counter() - begun
                sound += event.pcm
    return bytes(sound), first, time.perf_counter() - begun


def stops(engine: Engine, voice: Voice, text: str, after: float) -> float:
    """Seconds from leaving, `after` so many, to the engine's return."""
    stop, left = threading.Event(), []

    def leave() -> None:
        left.append(time.perf_counter())
        stop.set()

    timer = threading.Timer(after, leave)
    timer.start()
    for _ in engine.speak(SpeechRequest(text, voice, 1.0), stop):
        pass
    returned = time.perf_counter()
    timer.join()
    return max(0.0, returned - left[0])


def wrong(sounds: list[bytes], rate_hz: int) -> float:
    """Share of words that are heard otherwise."""
    ear = MoonshineEngine()
    ear.load()
    recognizer = ear.recognizer("en", ())
    heard = []
    for pcm in sounds:
        sound = np.concatenate([QUIET, to_float32(resample(pcm, rate_hz, 16_000)), QUIET])
        heard.append(plain(recognizer.transcribe(sound, final=True).text))
    for wanted, found in zip(SENTENCES, heard, strict=True):
        if plain(wanted) != found:
            print(f"heard: {found}")
    return jiwer.wer([plain(sentence) for sentence in SENTENCES], heard)


def plain(text: str) -> str:
    """Words as they are compared."""
    text = text.lower().replace("-", " ")
    for figures, said in FIGURES:
        text = text.replace(figures, said)
    return text.translate(str.maketrans("", "", '.,?!"'))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--engine", default="hibari")
    parser.add_argument("--first-words", type=int)
    given = parser.parse_args()
    engine = open_engine(read(TtsConfig, {"PARLEY_TTS_ENGINE": given.engine}))
    voice = engine.load()[0]
    words = given.first_words if given.first_words is not None else 0 if voice.quick else FIRST_WORDS
    firsts, factors, stopped, sounds = [], [], [], list[bytes]()
    torn = sum(pieces(text, voice, words)[0].rstrip()[-1] not in ".,;:!?" for text in SENTENCES)
    for _ in range(given.rounds):
        sounds.clear()
        for text in SENTENCES:
            cut = pieces(text, voice, words)
            sound, first, whole = speak(engine, voice, cut)
            sounds.append(sound)
            firsts.append(first * 1000)
            factors.append(whole * voice.sample_rate_hz * SAMPLE_BYTES / len(sound))
            stopped.append(stops(engine, voice, text, first / 2) * 1000)
    print(
        f"{given.engine}: first audio p50 {percentile(firsts, 0.5):.0f} ms, p95 {percentile(firsts, 0.95):.0f} ms; "
        f"real-time factor p50 {percentile(factors, 0.5):.3f}; stops p50 {percentile(stopped, 0.5):.1f} ms, "
        f"p95 {percentile(stopped, 0.95):.1f} ms; torn {torn} of {len(SENTENCES)}; "
        f"words wrong {100 * wrong(sounds, voice.sample_rate_hz):.1f} %"
    )


if __name__ == "__main__":
    main()
