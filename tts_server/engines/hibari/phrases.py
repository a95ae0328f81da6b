"""Cuts a text into phrases, each to be made in one go: sentences, a short clause first, and runs of another script.

Knows nothing of sound or of the voice.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tts_server.text.chunker import without_short_stops

if TYPE_CHECKING:
    from collections.abc import Iterator

# The language that is spoken for a script, by the first word of its letters' names in Unicode.
SCRIPTS: Final = {
    "ARABIC": "ar",
    "ARMENIAN": "hy",
    "BENGALI": "bn",
    "CJK": "cmn",
    "CYRILLIC": "ru",
    "DEVANAGARI": "hi",
    "ETHIOPIC": "am",
    "GEORGIAN": "ka",
    "GREEK": "el",
    "GUJARATI": "gu",
    "GURMUKHI": "pa",
    "HANGUL": "ko",
    "HEBREW": "he",
    "HIRAGANA": "ja",
    "KANNADA": "kn",
    "KATAKANA": "ja",
    "MALAYALAM": "ml",
    "MYANMAR": "my",
    "SINHALA": "si",
    "TAMIL": "ta",
    "TELUGU": "te",
    "THAI": "th",
}
OTHER: Final = "en-us"
"""The language of letters that are in none of them, which are named, and of words that are too long for the voice."""
# Of a longer unknown word the voice would say so many letters, and be silent of the rest.
_TOO_LONG: Final = re.compile(r"[^\W\d_]{25}")

_KANA: Final = ("HIRAGANA", "KATAKANA")
_LATIN: Final = frozenset(("LATIN", "FEMININE", "MASCULINE", "MICRO", "FULLWIDTH", "MODIFIER"))
_CHUNK = re.compile(r"\S+")
_SENTENCE_END = re.compile(r"""[.!?…]["'”’»)\]]*$""")
_CLAUSE_END = re.compile(r"""[,;:—–]["'”’»)\]]*$""")
# The listener waits for the first phrase alone; it takes some 30 ms with so many characters.
_FIRST_CHARACTERS: Final = 12
_FIRST_LONGEST: Final = 60
# A longer phrase ends at a clause mark, or at last between words.
_LONGEST: Final = 200
_LEEWAY: Final = 60
_DIGIT_CHARACTERS: Final = 5


@dataclass(frozen=True, slots=True)
class Phrase:
    """A run of a text."""

    start: int
    """Its first character."""
    end: int
    """The one after its last."""
    language: str
    """Empty: English in Latin letters; else the language of its script."""
    ends_sentence: bool
    """It ends one, and does not only pause."""


def phrases_of(text: str) -> Iterator[Phrase]:
    """The phrases of `text`, in order; only white space lies between them."""
    spoken = without_short_stops(text)
    chunks = [(found.start(), found.end()) for found in _CHUNK.finditer(text)]
    if not chunks:
        return
    first_end = next((end for start, end in chunks if _SENTENCE_END.search(spoken[start:end])), len(text))
    least = _FIRST_CHARACTERS if first_end - chunks[0][0] > _FIRST_LONGEST else _LONGEST
    begin, language = chunks[0][0], _language_of(text[slice(*chunks[0])])
    for (start, end), (next_start, next_end) in zip(chunks, [*chunks[1:], (len(text), len(text))], strict=True):
        following = _language_of(text[next_start:next_end])
        if following is None:
            following = language
        elif language is None:
            language = following
        ends_sentence = _SENTENCE_END.search(spoken[start:end]) is not None
        length = _length(text[begin:end])
        pauses = length >= least and _CLAUSE_END.search(text[start:end]) is not None
        if ends_sentence or pauses or following != language or length > _LONGEST + _LEEWAY or next_start == len(text):
            yield Phrase(begin, end, language or "", ends_sentence)
            begin, language, least = next_start, following, _LONGEST


def _length(text: str) -> int:
    """Characters of `text` as it is said: a digit is a word."""
    return len(text) + _DIGIT_CHARACTERS * sum(map(str.isdigit, text))


def _language_of(chunk: str) -> str | None:
    """The language of the script of `chunk`; empty: Latin letters, digits; None: it has neither."""
    latin = OTHER if _TOO_LONG.search(chunk) else ""
    if chunk.isascii():
        return latin if any(character.isalnum() for character in chunk) else None
    scripts = [unicodedata.name(each, "?").split()[0] for each in chunk if each.isalpha() and not each.isascii()]
    foreign = [script for script in scripts if script not in _LATIN]
    if not foreign:
        return latin if scripts or any(character.isalnum() for character in chunk) else None
    kana = next((script for script in foreign if script in _KANA), foreign[0])
    return SCRIPTS.get(kana.partition("-")[0], OTHER)
