"""A deployment's pronunciation lexicon: a file with words for all languages, or for one."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from parley.errors import InvalidInput, TooLarge, Unavailable
from parley.tts import Pronunciation, check_lexicon
from tts_server.text.lexicon import lexicon_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tts_server.text.lexicon import Lexicon

_VARIABLE: Final = "PARLEY_TTS_LEXICON"
_MOST: Final = 5_000
_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8})*")


@dataclass(frozen=True, slots=True)
class Lexicons:
    """The words of a deployment, by language."""

    by_language: Mapping[str, tuple[Pronunciation, ...]] = field(default_factory=dict)
    """By BCP 47 tag in lower case; "" for every language."""

    def lexicon(self, language: str, own: tuple[Pronunciation, ...] = ()) -> Lexicon:
        """What holds for a voice of `language` in a session with words of its `own`.

        A session's words come before the deployment's, and those of a land before its language's.
        """
        tag = language.lower().replace("_", "-")
        keys = dict.fromkeys((tag, tag.partition("-")[0], ""))
        return lexicon_of((*own, *(entry for key in keys for entry in self.by_language.get(key, ()))))


NO_WORDS: Final = Lexicons()
"""A deployment without a lexicon."""


def read_lexicons(name: str) -> Lexicons:
    """The lexicon in the TOML file `name`: `word = "respelling"`, and tables of them named by their language.

    Raises:
        Unavailable: it cannot be read, or is no TOML.
        InvalidInput: an entry cannot be used.
    """
    if not name:
        return NO_WORDS
    try:
        given = tomllib.loads(Path(name).expanduser().read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Unavailable(f"{_VARIABLE}={name} cannot be read: {error}") from error
    tables: dict[str, dict[str, object]] = {"": {}}
    for key, value in given.items():
        if isinstance(value, dict):
            if not _LANGUAGE.fullmatch(key):
                raise InvalidInput(
                    f"{_VARIABLE}={name}: {key} is no language such as en or de-AT; a word with a dot stands in quotes",
                    field=_VARIABLE,
                )
            tables[key.lower().replace("_", "-")] = value
        else:
            tables[""][key] = value
    return Lexicons({key: _entries(name, table, key) for key, table in tables.items()})


def _entries(name: str, table: dict[str, object], language: str) -> tuple[Pronunciation, ...]:
    entries = []
    for written, spoken in table.items():
        if not isinstance(spoken, str):
            raise InvalidInput(
                f"{_VARIABLE}={name}: {written} is {spoken!r}, and a word is followed by its respelling in quotes",
                field=_VARIABLE,
            )
        entries.append(Pronunciation(written, spoken))
    try:
        return check_lexicon(entries, language or "words", _MOST)
    except (InvalidInput, TooLarge) as error:
        raise InvalidInput(f"{_VARIABLE}={name}: {error}", field=_VARIABLE) from error
