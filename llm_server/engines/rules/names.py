"""The user's name: heard, and remembered from what stands in the conversation. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from llm_server.engine import Role
from llm_server.engines.rules.asked import LONGEST

if TYPE_CHECKING:
    from llm_server.engines.rules.asked import Asked

# A letter of any script, then letters, marks of vowels, apostrophes and hyphens.
_WORD = r"[^\W\d_][\w'’\-\u0300-\u036f\u0900-\u0dff]{0,39}"
_SAID = re.compile(
    rf"\b(?:my name is|my name's|i am called|i'm called|call me|you can call me)[:,]? ({_WORD}(?: {_WORD}){{0,3}})",
    re.IGNORECASE,
)
# "I'm Anna" when that is all, and written like a name; "I'm tired" is none.
_I_AM = re.compile(
    rf"(?:(?:hi|hello|hey|good \w+)[,.!]? )?(?:i'm|i am|this is) ({_WORD}(?: {_WORD}){{0,2}})(?:[.,!].*)?",
    re.IGNORECASE,
)
_WORDS: Final = (
    "a an the not back later maybe when what who if on at in tomorrow again so very too really hard difficult "
    "important secret spelled it that this what's"
)
_NO_NAMES: Final = frozenset(_WORDS.split())
_STATES: Final = (
    "english german french spanish american british polish italian dutch chinese japanese indian canadian here ok "
    "okay fine good great sorry sure tired"
)
_NO_PEOPLE: Final = frozenset(_STATES.split())
_ASKED = re.compile(
    r"\bwhat\b.{0,30}\bmy name\b|\bwho (?:am i|i am)\b|\bwhat am i called\b|\b(?:know|remember|say) my name\b"
)
_SPELL_MY_NAME = re.compile(r"\bspell my name\b|\bmy name (?:is )?spell(?:ed|t)\b")


def introduction(asked: Asked) -> str | None:
    """The answer to a name that was just said."""
    name = _named(asked.said)
    return None if name is None else f"Nice to meet you, {name}."


def whoami(asked: Asked) -> str | None:
    """The name that was said last."""
    if not _ASKED.search(asked.folded):
        return None
    name = name_of(asked)
    return f"Your name is {name}." if name else "You have not told me your name yet."


def name_of(asked: Asked) -> str | None:
    """The name that the user said last, as it was written."""
    said = reversed(asked.texts(Role.USER))
    return next((name for text in said if (name := _named(" ".join(text[:LONGEST].split())))), None)


def is_spelling_asked(asked: Asked) -> bool:
    """Whether it is the user's own name that is to be spelt."""
    return bool(_SPELL_MY_NAME.search(asked.folded))


def _named(said: str) -> str | None:
    said = said.replace("’", "'")
    if found := _SAID.search(said):
        return _as_name(found[1].split(), _NO_NAMES)
    if (found := _I_AM.fullmatch(said)) and not found[1][0].islower():
        return _as_name(found[1].split(), _NO_NAMES | _NO_PEOPLE)
    return None


def _as_name(words: list[str], none: frozenset[str]) -> str | None:
    """The first word, and those after it that are written like names too."""
    if words[0].casefold() in none:
        return None
    name = [words[0][:1].upper() + words[0][1:]]
    for word in words[1:]:
        # Most scripts have no capitals: what is no small letter may begin a name.
        if word[0].islower() or words[0][0].islower() or word.casefold() in ("i", "i'm"):
            break
        name.append(word)
    return " ".join(name)
