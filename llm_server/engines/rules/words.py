"""Spelling, counting, and saying things again. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from llm_server.engine import Role
from llm_server.engines.rules.asked import LONGEST
from llm_server.engines.rules.names import is_spelling_asked, name_of
from llm_server.engines.rules.numbers import digits, in_words

if TYPE_CHECKING:
    from llm_server.engines.rules.asked import Asked

_MOST_LETTERS: Final = 40
_MOST_NUMBERS: Final = 50
_MOST_REPEATED: Final = 300
_SPELL = re.compile(
    r"\bspell(?: out)?(?: the)?(?: word| name)? (?P<word>[^?.!,;]+)|\bhow is (?P<other>[^?.!,;]+?) spel(?:led|t)\b",
    re.IGNORECASE,
)
_COUNT = re.compile(
    r"\bcount(?: up| down| backwards)?(?: from (?P<first>\d{1,9}))?(?: up| down)?(?: to (?:a )?(?P<last>\d{1,9}))?"
)
_GO_ON = re.compile(
    r"(?:please |ok,? |okay,? |yes,? )?(?:go on|continue|carry on|keep going|go ahead)(?: please)?[.!, ]*"
)
_AFTER_ME = re.compile(r"\b(?:repeat|say) after me[:,.]? (?P<words>.+)", re.IGNORECASE)
_AGAIN = re.compile(
    r"\b(?:what did you (?:just )?say|(?:repeat|say) (?:that|it|this)(?: again)?|come again|pardon)\b"
    r"|^(?:please |can you |could you )*(?:repeat|say that)(?: please)?[.!?]*$"
    r"|\bwhat was that\b|^(?:again|once more)\b[^?]{0,10}$"
    r"|\b(?:repeat|say) (?:your|the) last\b|\bdid(?:n't| not) (?:hear|catch|understand) (?:you|that|it)\b"
)
_MY_WORDS = re.compile(r"\bwhat did (?:i|we) (?:just )?(?:say|talk)")


def go_on(asked: Asked) -> str | None:
    """The rest of a reply that was interrupted."""
    if not _GO_ON.fullmatch(asked.folded):
        return None
    for message in reversed(asked.messages):
        if message.role is Role.ASSISTANT:
            return message.unheard or "That was all I had to say."
    return "I have not said anything yet. Ask me something."


def again(asked: Asked) -> str | None:
    """What was said before, by either side, or is to be said after the user."""
    if _MY_WORDS.search(asked.folded):
        earlier = asked.texts(Role.USER)[:-1]
        return f"You said: {earlier[-1][:LONGEST]}" if earlier else "This is the first thing you have said to me."
    if found := _AFTER_ME.search(asked.said):
        return found["words"][:_MOST_REPEATED]
    if not _AGAIN.search(asked.folded):
        return None
    replies = asked.texts(Role.ASSISTANT)
    if not replies:
        return "I have not said anything yet."
    return f"I said: {replies[-1][:LONGEST].removeprefix('I said: ')}"


def spell(asked: Asked) -> str | None:
    """The letters of a word."""
    if is_spelling_asked(asked):
        word = name_of(asked) or ""
        if not word:
            return "You have not told me your name yet."
    elif found := _SPELL.search(asked.said):
        word = (found["word"] or found["other"]).strip(" \"'“”").removesuffix(" for me").removesuffix(" please")
    else:
        return None
    letters = [each.upper() for each in word if each.isalnum()]
    if not letters:
        return "Which word shall I spell?"
    if len(letters) > _MOST_LETTERS:
        return "That is too long for me to spell. Give me a single word."
    return f"{word[:1].upper()}{word[1:]} is spelled {', '.join(letters)}."


def count(asked: Asked) -> str | None:
    """Numbers in their order."""
    found = _COUNT.search(digits(asked.folded)) if "count" in asked.folded else None
    if found is None or not (found["first"] or found["last"]):
        return None
    down = bool(re.search(r"\b(?:down|backwards)\b", asked.folded))
    first = int(found["first"] or (10 if down else 1))
    last = int(found["last"] or (0 if down else 10))
    if abs(last - first) >= _MOST_NUMBERS:
        return f"That would take too long. I count {in_words(_MOST_NUMBERS)} numbers at most."
    step = 1 if last >= first else -1
    counted = ", ".join(in_words(number) for number in range(first, last + step, step))
    return f"{counted[:1].upper()}{counted[1:]}."
