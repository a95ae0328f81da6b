"""The pronunciation lexicon: words that are read as others, and where they stand in a text. Knows no engine."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from tts_server.text.mapped import Kept, Said

if TYPE_CHECKING:
    from collections.abc import Iterable

    from parley.tts import Pronunciation
    from tts_server.text.mapped import Mapped, Part

# Vowel signs and accents that Python counts to no word, though a word goes on with them.
_SIGNS: Final = "".join(chr(code) for code in range(0x300, 0x3000) if unicodedata.category(chr(code))[0] == "M")
# Scripts that put no space between words: there a word may stand in the middle of others.
_WIDE: Final = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3041-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
# Sessions that speak at the same time, each with its own words.
_KNOWN: Final = 256


class Lexicon:
    """Words with their respellings; only whole words are meant, the longest that stands there.

    A word with a capital letter is meant as it is written, any other in upper and lower case. What is part of an
    address, such as a domain, is none.
    """

    def __init__(self, entries: Iterable[Pronunciation]) -> None:
        """Of two entries for the same word the first one counts."""
        by_first: dict[str, list[tuple[str, str]]] = {}
        for entry in entries:
            for form in {unicodedata.normalize(kind, entry.written) for kind in ("NFC", "NFD")}:
                by_first.setdefault(form[0].casefold(), []).append((form, entry.spoken))
        # The longest first, and, of those that look the same, the one that says how it is written.
        self._words = {
            first: [(_pattern(form), spoken) for form, spoken in sorted(words, key=lambda word: -len(word[0]))]
            for first, words in by_first.items()
        }

    def respell(self, text: Mapped) -> Mapped:
        """`text` as it is to be read."""
        if not self._words:
            return text
        parts: list[Part] = []
        done = place = 0
        while place < len(text.text):
            found = self._at(text.text, place)
            if found is None:
                place += 1
                continue
            end, spoken = found
            parts += [Kept(done, place), Said(spoken, place, end)]
            done = place = end
        return text.rebuilt([*parts, Kept(done, len(text.text))]) if done else text

    def _at(self, text: str, place: int) -> tuple[int, str] | None:
        for pattern, spoken in self._words.get(text[place].casefold(), ()):
            if match := pattern.match(text, place):
                return match.end(), spoken
        return None


@lru_cache(_KNOWN)
def lexicon_of(entries: tuple[Pronunciation, ...]) -> Lexicon:
    """The lexicon of these entries, made once."""
    return Lexicon(entries)


def _pattern(form: str) -> re.Pattern[str]:
    words = r"\s+".join(map(re.escape, form.split()))
    before = rf"(?<![\w{_SIGNS}])(?<!\w[.@])" if form[0].isalnum() and not _WIDE.match(form[0]) else ""
    after = rf"(?![\w{_SIGNS}]|[.@]\w)" if _goes_on(form[-1]) else ""
    any_case = "" if any(map(str.isupper, form)) else "(?i)"
    return re.compile(f"{any_case}{before}{words}{after}")


def _goes_on(last: str) -> bool:
    """A word that ends so would be another one if a letter followed."""
    return (last.isalnum() or last in _SIGNS) and not _WIDE.match(last)
