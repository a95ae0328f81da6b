"""Makes text fit to be spoken: markup and code are left out, and what remains is written as it is said.

Keeps what every spoken character stands for, so that word marks refer to the text as it was received. Knows nothing of
sound.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from tts_server.text.fences import outside_code
from tts_server.text.latex import plain_formulas
from tts_server.text.mapped import Kept, Mapped, Said
from tts_server.text.markup import without_markup
from tts_server.text.spoken import language_of, say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tts_server.engine import WordMark
    from tts_server.text.lexicon import Lexicon

_SILENT_CATEGORIES: Final = frozenset(("So", "Sk", "Cs", "Co", "Cn", "Cc"))
# Signs that have a name in every language; an engine says "&", "%" and "×" in its own.
_SAID: Final = "°№"
_JOINERS: Final = "\u200d\ufe0e\ufe0f"
# Before it are letters, signs and the lines of tables.
_FIRST_PICTURE: Final = "\u2600"


@dataclass(frozen=True, slots=True)
class NormalizedText:
    """A text to be spoken, and what it stands for."""

    text: str
    """What is said."""
    mapped: Mapped
    """The same with its places in the text as written."""
    fence: str = ""
    """What follows it is still within the block of code that this fence opened, or, with a question mark, comes after
    one that was not closed; empty: neither."""

    def source(self, start: int, end: int) -> tuple[int, int]:
        """What the characters from `start` to `end` of `text` stand for in the text as written."""
        last = max(start, end - 1)
        return self.mapped.starts[start], max(self.mapped.ends[start : last + 1])


class WrittenMarks:
    """The marks of what is spoken, as marks of what was written: several spoken words of one number have one."""

    def __init__(self, said: NormalizedText, first_char: int) -> None:
        """The text that `said` was written as begins at `first_char` of its reply."""
        self._said = said
        self._first_char = first_char
        self._marked = 0

    def written(self, mark: WordMark) -> Iterator[WordMark]:
        """The mark in the reply's text; none where the written word has one already."""
        start, end = self._said.source(mark.start_char, mark.end_char)
        if start >= self._marked:
            self._marked = end
            yield replace(mark, start_char=self._first_char + start, end_char=self._first_char + end)


def normalize(
    written: str,
    *,
    fence: str = "",
    language: str = "",
    begins_line: bool = True,
    lexicon: Lexicon | None = None,
) -> NormalizedText:
    """`written` as it is to be said; empty where there is nothing to say.

    With `fence` it begins within a block of code that this opened, none of which is said. `language` is a BCP 47 tag;
    for one without rules numbers and signs stay as they are, for the engine to read. `begins_line`: it begins a line,
    so that a mark at its beginning may open a block of code. Words of `lexicon` are read as it says.
    """
    prose = outside_code(written, fence, begins_line=begins_line)
    text = _joined(Mapped.of(written), prose.runs)
    rules = language_of(language)
    text = without_markup(plain_formulas(text), None if rules is None else rules.words)
    if lexicon is not None:
        text = lexicon.respell(text)
    text = _plain(say(text, language))
    if not any(character.isalnum() for character in text.text):
        return NormalizedText("", Mapped.of(""), prose.fence)
    return NormalizedText(text.text, text, prose.fence)


def pictures_of(written: str) -> NormalizedText:
    """The emoji of `written` that are in no code, for an engine to name, and nothing else; empty: there are none."""
    prose = _joined(Mapped.of(written), outside_code(written, "", begins_line=True).runs)
    shown = "".join(each if each >= _FIRST_PICTURE or each in _JOINERS else " " for each in prose.text)
    if not any(each >= _FIRST_PICTURE and unicodedata.category(each) == "So" for each in shown):
        return NormalizedText("", Mapped.of(""))
    return NormalizedText(shown, replace(prose, text=shown))


def _joined(text: Mapped, runs: tuple[tuple[int, int], ...]) -> Mapped:
    """The runs of `text`, with a space for what was between them."""
    parts: list[Kept | Said] = []
    place = 0
    for start, end in runs:
        if start > place:
            parts.append(Said(" ", place, start))
        parts.append(Kept(start, end))
        place = end
    return text.rebuilt([*parts, Said(" ", place, len(text.text))])


def _plain(text: Mapped) -> Mapped:
    """The text with a space for each character that has no sound."""
    plain = "".join(" " if _is_silent(character) else character for character in text.text)
    return Mapped(plain, text.starts, text.ends)


def _is_silent(character: str) -> bool:
    if character.isspace() or character in _SAID:
        return False
    return character in _JOINERS or unicodedata.category(character) in _SILENT_CATEGORIES
