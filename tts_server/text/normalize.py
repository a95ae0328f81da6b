"""Makes text fit to be spoken: markup, emoji, links and code are left out or said sensibly.

Keeps where every spoken character came from, so that word marks refer to the text as it was received. Knows nothing of
sound.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

# What may stand on both sides of the sign of a multiplication: a number, a bracket, or one letter by itself.
_BEFORE_TIMES: Final = r"(?<=\d)|(?<=\))|(?<=(?<!\w)[^\W\d_])"
_AFTER_TIMES: Final = r"[\d(]|[^\W\d_](?!\w)"
# What is found, and what is said instead; the first one that matches counts. `\1` is what its first group holds.
_RULES: Final = (
    (re.compile(r"!\[([^\]]*)\]\([^)\s]*\)"), r"\1"),
    (re.compile(r"\[([^\]]+)\]\([^)\s]*\)"), r"\1"),
    (re.compile(r"\bhttps?://(?:www\.)?([\w-]+(?:\.[\w-]+)+)\S*"), r"\1"),
    (re.compile(r"(?m)^[ \t]*#{1,6}[ \t]+"), ""),
    (re.compile(r"(?m)^[ \t]*(?:[-*+•]|>)[ \t]+"), ""),
    (re.compile(rf"(?:{_BEFORE_TIMES})(?:\*|[ \t]+\*[ \t]+)(?={_AFTER_TIMES})"), " × "),
    (re.compile(r"(?<=\d)\*\*(?=\d)"), " "),
    (re.compile(r"\*\*|__|~~|`|\*"), ""),
    (re.compile(r"(?<!\w)_|_(?!\w)"), ""),
    # espeak reads markup and phonemes in brackets; nothing that was written is meant as such.
    (re.compile(r"\[\[|\]\]|</?[A-Za-z][^<>\n]{0,80}>"), " "),
    (re.compile(r"&(?:nbsp|#160);"), " "),
    (re.compile(r"&(?:amp|#38);"), "&"),
    (re.compile(r"℃"), "°C"),
    (re.compile(r"℉"), "°F"),
)
_FENCE: Final = "```"
_SILENT_CATEGORIES: Final = frozenset(("So", "Sk", "Cs", "Co", "Cn", "Cc"))
# Signs that have a name in every language; an engine says "&", "%" and "×" in its own.
_SAID: Final = "°№"
_JOINERS: Final = "\u200d\ufe0e\ufe0f"


@dataclass(frozen=True, slots=True)
class NormalizedText:
    """A text to be spoken, and where it came from."""

    text: str
    """What is said."""
    origin: tuple[int, ...]
    """For each character of `text`, its place in the text as written; and one more for the end."""
    in_code: bool = False
    """What follows it is still within a block of code."""

    def source(self, start: int, end: int) -> tuple[int, int]:
        """Where the characters from `start` to `end` of `text` stand in the text as written."""
        last = self.origin[max(start, end - 1)]
        return self.origin[start], max(last + 1, self.origin[start])


def normalize(written: str, *, in_code: bool = False) -> NormalizedText:
    """`written` as it is to be said; empty where there is nothing to say.

    With `in_code` it begins within a block of code, none of which is said.
    """
    characters: list[tuple[str, int]] = []
    place = 0
    for number, part in enumerate(written.split(_FENCE)):
        if number:
            in_code = not in_code
            characters.append((" ", place))
            place += len(_FENCE)
        if not in_code:
            characters += zip(part, range(place, place + len(part)), strict=True)
        place += len(part)
    for pattern, replacement in _RULES:
        characters = _replace(characters, pattern, replacement)
    characters = [_plain(character, place) for character, place in characters]
    text = "".join(character for character, _ in characters)
    if not any(character.isalnum() for character in text):
        return NormalizedText("", (len(written),), in_code)
    return NormalizedText(text, (*(place for _, place in characters), len(written)), in_code)


def _plain(character: str, place: int) -> tuple[str, int]:
    if character.isspace():
        return (character, place)
    silent = unicodedata.category(character) in _SILENT_CATEGORIES and character not in _SAID
    silent = silent or character in _JOINERS
    return (" " if silent else character, place)


def _replace(characters: list[tuple[str, int]], pattern: re.Pattern[str], replacement: str) -> list[tuple[str, int]]:
    text = "".join(character for character, _ in characters)
    out: list[tuple[str, int]] = []
    done = 0
    for match in pattern.finditer(text):
        out += characters[done : match.start()]
        if replacement == r"\1":
            out += characters[match.start(1) : match.end(1)]
        else:
            out += [(character, characters[match.start()][1]) for character in replacement]
        done = match.end()
    return out + characters[done:]
