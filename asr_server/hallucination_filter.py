"""Drops hallucinations: words that a recogniser made up, and no voice bears out. Knows nothing of models or streams."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

# People reach about six words a second; what is denser was not said.
_MOST_WORDS_A_SECOND: Final = 7.0
_MOST_REPEATS: Final = 4
# What small models answer to a breath or a knock.
_INVENTED: Final = frozenset(("you", "thank you", "thanks for watching", "bye", "so", "the"))
_BRIEF_SECONDS: Final = 0.6
_LEAST_VOICED_SECONDS: Final = 0.2
# Noise that the detector takes for voice is unsure and brief; a far or old microphone is unsure, but goes on.
_SURE_PROBABILITY: Final = 0.6
_LONG_SECONDS: Final = 0.65
_LATIN = re.compile(r"[A-Za-zÀ-ɏ0-9]")
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")


@dataclass(slots=True)
class Evidence:
    """How sure the voice detector was of a turn's voice."""

    windows: int = 0
    total: float = 0.0

    def add(self, probability: float, threshold: float) -> None:
        """Take a window; those under the threshold are silence, and say nothing of the voice."""
        if probability >= threshold:
            self.windows += 1
            self.total += probability

    @property
    def mean(self) -> float:
        """Mean voice probability of the voiced windows; 0 when there are none."""
        return self.total / self.windows if self.windows else 0.0


def clean(text: str, seconds: float) -> str:
    """`text` as far as it can have been said in `seconds`; empty where it was made up."""
    stripped = text.replace("♪", " ").strip()
    words = _WORD.findall(stripped.casefold())
    if not words or not _LATIN.search(stripped):
        return ""
    if len(words) > max(3.0, _MOST_WORDS_A_SECOND * seconds) or _is_loop(words):
        return ""
    return " ".join(stripped.split())


def loops(text: str) -> bool:
    """True when `text` says the same few words over and over."""
    return _is_loop(_WORD.findall(text.casefold()))


def is_credible(text: str, voiced_seconds: float, mean_probability: float) -> bool:
    """True when `text` is borne out by `voiced_seconds` of voice with a mean probability of `mean_probability`."""
    if voiced_seconds < _LEAST_VOICED_SECONDS:
        return False
    if mean_probability < _SURE_PROBABILITY and voiced_seconds < _LONG_SECONDS:
        return False
    said = " ".join(_WORD.findall(text.casefold()))
    return said not in _INVENTED or voiced_seconds >= _BRIEF_SECONDS


def _is_loop(words: list[str]) -> bool:
    """True when a run of one to four words is repeated over and over."""
    for length in range(1, min(4, len(words)) + 1):
        run = words[:length]
        repeats = 0
        while words[repeats * length : (repeats + 1) * length] == run:
            repeats += 1
        if repeats > _MOST_REPEATS and repeats * length >= len(words) - length:
            return True
    return False
