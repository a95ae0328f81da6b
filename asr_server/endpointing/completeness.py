"""Judges by the words whether a speaker has finished: how much silence must follow before the turn is over.

People pause within a thought after a conjunction, an article or a filler, and between digits that they read out; they
rarely do after a whole sentence. Knows nothing of sound.
"""

from __future__ import annotations

import enum
import re
from typing import Final

from asr_server.endpointing.open_ends import is_open, may_be_whole, never_ends

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
    tokens = _TOKEN.findall(stripped.casefold().replace("\u2019", "'")) if language.startswith("en") else None
    if stripped.endswith("?"):
        return Completeness.UNFINISHED if tokens and never_ends(tokens) else Completeness.SURE
    plain = Completeness.HESITANT if _COMMA.search(stripped) else Completeness.FINISHED
    if tokens is None:
        return plain
    if len(tokens) >= _LEAST_DICTATED and all(_is_number(token) for token in tokens[-_LEAST_DICTATED:]):
        return Completeness.DICTATING
    if is_open(tokens):
        return Completeness.HESITANT if may_be_whole(tokens) else Completeness.UNFINISHED
    return plain


def _is_number(token: str) -> bool:
    return token.isdigit() or token in _ENGLISH_NUMBERS
