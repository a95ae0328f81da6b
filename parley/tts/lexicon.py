"""How words are to be pronounced, and which of that can be taken.

Knows nothing of messages, calls or engines.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from parley.errors import InvalidInput, TooLarge

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_PRONUNCIATIONS: Final = 100
"""Most words that a session may bring."""

_LONGEST_WRITTEN: Final = 60
_LONGEST_SPOKEN: Final = 100
# A respelling is read as any text is, so nothing in it may be a mark of another kind.
_SIGNS: Final = frozenset(" -'’.,")


@dataclass(frozen=True, slots=True)
class Pronunciation:
    """How a word sounds, in the ordinary letters of the language that is spoken."""

    written: str
    """The word, or several; without a capital letter it is meant however it is written."""
    spoken: str
    """What is read instead, such as "wooster"."""


def check_lexicon(
    entries: Sequence[Pronunciation], where: str, most: int = MAX_PRONUNCIATIONS
) -> tuple[Pronunciation, ...]:
    """`entries` without the space around them; `where` is the field that has them.

    Raises:
        InvalidInput: a word or a respelling cannot be used, or a word stands there twice.
        TooLarge: there are more than `most`, or one is too long.
    """
    if len(entries) > most:
        raise TooLarge(f"{len(entries)} pronunciations: at most {most}", field=where)
    found: dict[str, Pronunciation] = {}
    for place, given in enumerate(entries):
        entry = Pronunciation(" ".join(given.written.split()), " ".join(given.spoken.split()))
        _check_written(entry.written, f"{where}[{place}].written")
        _check_spoken(entry, f"{where}[{place}].spoken")
        key = unicodedata.normalize("NFC", entry.written)
        if key in found:
            raise InvalidInput(f"the pronunciation of {key!r} is given twice", field=f"{where}[{place}].written")
        found[key] = entry
    return tuple(found.values())


def _check_written(written: str, field: str) -> None:
    if len(written) > _LONGEST_WRITTEN:
        raise TooLarge(f"a word of {len(written)} characters: at most {_LONGEST_WRITTEN}", field=field)
    if not any(map(str.isalnum, written)):
        raise InvalidInput(f"a pronunciation of {written!r}: a word has a letter or a digit", field=field)


def _check_spoken(entry: Pronunciation, field: str) -> None:
    spoken = entry.spoken
    if len(spoken) > _LONGEST_SPOKEN:
        raise TooLarge(
            f"the pronunciation of {entry.written!r} has {len(spoken)} characters: at most {_LONGEST_SPOKEN}",
            field=field,
        )
    strange = sorted({sign for sign in spoken if not (unicodedata.category(sign)[0] in "LMN" or sign in _SIGNS)})
    if strange or not any(map(str.isalnum, spoken)):
        why = f"it has {' '.join(strange)}" if strange else "it is empty"
        raise InvalidInput(
            f"the pronunciation {spoken!r} of {entry.written!r}: {why}; write letters, digits, spaces and - ' . ,",
            field=field,
        )
