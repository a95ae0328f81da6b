"""What recognisers write otherwise than it is meant, set right before a skill reads it. English; pure.

Small models learnt some spellings from old books, and cannot hear a number that sounds like another word.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_OPERATION: Final = r"(?:to the power of|plus|minus|times|divided by|multiplied by|squared|cubed)"
# Each of these has a length of its own, as a look behind must.
_BEFORE: Final = "|".join(rf"(?<=\b{word} )" for word in ("plus", "minus", "times", "by", "power of"))
_NUMBERS: Final = {"to": "two", "too": "two", "for": "four", "won": "one", "ate": "eight"}
_NAMES: Final = "|".join(_NUMBERS)


def _joined(found: re.Match[str]) -> str:
    return f"{found[1]}{found[2]}"


def _number(found: re.Match[str]) -> str:
    return _NUMBERS[found[0].casefold()]


def _slower(_: re.Match[str]) -> str:
    return "speak slower"


_SPELLINGS: Final[tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...]] = (
    # Nobody asks a listener to speak so in the third person.
    (re.compile(r"\bspeaks lower\b", re.IGNORECASE), _slower),
    (re.compile(r"\b(to)-(day|morrow|night)\b", re.IGNORECASE), _joined),
    (re.compile(r"\b(any|some|every)[ -](one|body|thing)\b(?! of\b)", re.IGNORECASE), _joined),
    # "What's to to the power of ten", "three times for": with an operation on one side, and an end or a number's place
    # on the other.
    (re.compile(rf"(?:(?<=\bis )|(?<='s )|(?<=^))\b(?:{_NAMES})\b(?= {_OPERATION}\b)", re.IGNORECASE), _number),
    (re.compile(rf"(?:{_BEFORE})(?:{_NAMES})\b(?=\W*$)", re.IGNORECASE), _number),
)


def as_meant(text: str) -> str:
    """`text` as whoever said it would have written it."""
    for pattern, meant in _SPELLINGS:
        text = pattern.sub(meant, text)
    return text
