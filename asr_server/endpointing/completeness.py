"""Judges by the words whether a speaker has finished: how much silence must follow before the turn is over.

People pause within a thought after a conjunction, an article or a filler, and between digits that they read out; they
rarely do after a whole sentence. Knows nothing of sound.
"""

from __future__ import annotations

import enum
import re
from typing import Final

# Conjunctions and relatives; articles, possessives, prepositions; auxiliaries that want something after them; fillers.
_ENGLISH_OPEN_WORDS: Final = (
    "and but or because although though if when while unless until since that which who whose where than as "
    "the a an my your his its our their to at for with from into between without "
    "is are was were am be will would could should can may might do does did have has had "
    "um uh er erm hmm actually basically i"
)
_ENGLISH_UNFINISHED: Final = frozenset(_ENGLISH_OPEN_WORDS.split())
_ENGLISH_DIGITS: Final = "zero oh one two three four five six seven eight nine ten double triple hundred"
_ENGLISH_NUMBERS: Final = frozenset(_ENGLISH_DIGITS.split())
_LEAST_DICTATED: Final = 3
_TOKEN = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
_TRAILS_OFF = re.compile(r"(\.\.\.|…|[–-])\s*$")
# Recognisers put a comma where the voice did not fall, also at the end of what was said.
_COMMA = re.compile(r"[,:;]\s*$")


class Completeness(enum.Enum):
    """How finished a turn looks."""

    SURE = enum.auto()
    """A question, after which few go on."""
    OVER = enum.auto()
    """A turn model has heard the end, and the words look like it."""
    SOUNDS_OVER = enum.auto()
    """A turn model has heard the end; the words are not known yet."""
    SOUNDS_OPEN = enum.auto()
    """A turn model has heard that more is to come; the words are not known yet."""
    FINISHED = enum.auto()
    HESITANT = enum.auto()
    """They lack a full stop, or a turn model has heard that more is to come."""
    UNFINISHED = enum.auto()
    DICTATING = enum.auto()


def completeness(text: str, language: str = "en") -> Completeness:
    """How finished `text` looks; languages without a word list go by punctuation alone."""
    stripped = text.strip()
    if _TRAILS_OFF.search(stripped):
        return Completeness.UNFINISHED
    if stripped.endswith("?"):
        return Completeness.SURE
    if not language.startswith("en"):
        return Completeness.HESITANT if _COMMA.search(stripped) else Completeness.FINISHED
    tokens = _TOKEN.findall(stripped.casefold())
    if len(tokens) >= _LEAST_DICTATED and all(_is_number(token) for token in tokens[-_LEAST_DICTATED:]):
        return Completeness.DICTATING
    if not tokens or (tokens[-1] in _ENGLISH_UNFINISHED and not _is_whole(tokens)):
        return Completeness.UNFINISHED
    return Completeness.HESITANT if _COMMA.search(stripped) else Completeness.FINISHED


def _is_number(token: str) -> bool:
    return token.isdigit() or token in _ENGLISH_NUMBERS


def _is_whole(tokens: list[str]) -> bool:
    """True for short phrases that end in a word of the list and are whole all the same."""
    return " ".join(tokens[-2:]) in (
        "yes please",
        "me too",
        "so am",
        "i am",
        "i do",
        "i did",
        "i can",
        "i have",
        "go on",
    )
