"""Prints how long Whisper needs for a look at what somebody is saying, before and after, in one run.

    PYTHONPATH=. python benchmarks/whisper_looks.py FOLDER_OF_A_WHISPER FOLDER_OF_RECORDINGS [--rounds 1]

Each recording NAME.flac with its words in NAME.txt is looked at while it grows, every half second, and transcribed when
it is over, once for every way to do it, in turns, so that whatever else the machine does meets all of them. "Before" is
half of the cores and an encoder over 30 s; words wrong are those of the finals, and of each recording's last partial.
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import jiwer
import numpy as np

from asr_server.engine import RATE_HZ
from asr_server.engines.whisper.faster_whisper import WhisperEngine
from asr_server.engines.whisper.options import WhisperOptions
from parley.audio import decode_file, to_float32
from tests.asr_server.test_recordings import words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

BETWEEN_SECONDS: Final = 0.5
LONGEST_SECONDS: Final = 8.0


@dataclass(slots=True)
class Way:
    """A way to set the engine, and what came of it."""

    name: str
    engine: WhisperEngine
    partial_ms: list[float] = field(default_factory=list)
    final_ms: list[float] = field(default_factory=list)
    last_partials: list[str] = field(default_factory=list)
    finals: list[str] = field(default_factory=list)

    def hear(self, sound: NDArray[np.float32]) -> None:
        """One utterance, as it comes in."""
        recognizer = self.engine.recognizer(self.engine.languages[0], ())
        step, text = round(BETWEEN_SECONDS * RATE_HZ), ""
        for end in (*range(step, len(sound), step), len(sound)):
            began = time.perf_counter()
            text = recognizer.transcribe(sound[:end], final=False).text
            self.partial_ms.append((time.perf_counter() - began) * 1000)
        self.last_partials.append(words(text) or "-")
        began = time.perf_counter()
        self.finals.append(words(recognizer.transcribe(sound, final=True).text) or "-")
        self.final_ms.append((time.perf_counter() - began) * 1000)

    def line(self, references: Sequence[str]) -> str:
        """Its figures."""
        return (
            f"{self.name:<30} {_of(self.partial_ms, 50):>8.0f} {_of(self.partial_ms, 95):>8.0f}"
            f" {_of(self.final_ms, 50):>8.0f} {_of(self.final_ms, 95):>8.0f}"
            f" {jiwer.wer(list(references), self.last_partials):>9.1%} {jiwer.wer(list(references), self.finals):>8.1%}"
        )


def _of(times: Sequence[float], percent: float) -> float:
    return float(np.percentile(times, percent))


def ways(model: str) -> list[Way]:
    """The ways that are compared."""
    half = max(1, (os.cpu_count() or 1) // 2)
    options = {
        f"before: {half} threads, 30 s": WhisperOptions(model, threads=half, partial_context_seconds=30.0),
        "all threads, 30 s": WhisperOptions(model, partial_context_seconds=30.0),
        "after: all threads, 10 s": WhisperOptions(model),
    }
    made = [Way(name, WhisperEngine(each)) for name, each in options.items()]
    for way in made:
        way.engine.load()
    return made


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a folder with a Whisper for CTranslate2, or a size")
    parser.add_argument("recordings", type=Path)
    parser.add_argument("--rounds", type=int, default=1)
    given = parser.parse_args()
    compared, references = ways(given.model), list[str]()
    for text in sorted(given.recordings.glob("*.txt")) * given.rounds:
        sound = to_float32(decode_file(text.with_suffix(".flac"), RATE_HZ))
        if len(sound) > LONGEST_SECONDS * RATE_HZ:
            continue
        references.append(words(text.read_text()))
        for way in compared:
            way.hear(sound)
    print(f"{len(references)} recordings of up to {LONGEST_SECONDS:.0f} s; load {os.getloadavg()[0]:.1f}")
    print(f"{'':<30} {'partials, ms':>17} {'finals, ms':>17} {'words wrong':>18}")
    print(f"{'':<30} {'p50':>8} {'p95':>8} {'p50':>8} {'p95':>8} {'partials':>9} {'finals':>8}")
    for way in compared:
        print(way.line(references))


if __name__ == "__main__":
    main()
