"""Jokes in turn, and what is left to chance. Pure: chance is given."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from llm_server.engines.rules.numbers import in_words

if TYPE_CHECKING:
    from llm_server.engines.rules.asked import Asked

JOKES: Final = (
    "Why did the microphone break up with the loudspeaker? There was too much feedback.",
    "What does a clock do when it is hungry? It goes back four seconds.",
    "Why was the computer cold? Somebody had left its windows open.",
    "How does the ocean say hello? It waves.",
    "Why do bees hum? They have forgotten the words.",
    "What did zero say to eight? Nice belt.",
    "Why did the scarecrow get a prize? He was outstanding in his field.",
)
"""Told one after the other, none twice before all were told."""

_JOKE = re.compile(r"\bjokes?\b|\bmake me laugh\b|\bsay something funny\b|\bsomething funny\b")
_ANOTHER = re.compile(
    r"(?:please |can you |ok |okay |haha )*(?:tell me |give me |say )?(?:another|one more)(?: one)?(?: please)?[.!? ]*"
)
_COIN = re.compile(r"\b(?:flip|toss|throw) (?:a|the) coin\b|\bheads or tails\b")
_DIE = re.compile(r"\b(?:roll|throw) (?:a|the|two|some) (?:dice?|die)\b")
_NUMBER = re.compile(
    r"\b(?:pick|choose|give me|tell me|say|think of) (?:a|any|some) (?:random )?number\b|\brandom number\b"
)


def joke(asked: Asked) -> str | None:
    """A joke that was not told yet; when all were, the one that was told longest ago."""
    told = [each for reply in asked.replies for each in JOKES if each in reply]
    if not (_JOKE.search(asked.folded) or (_ANOTHER.fullmatch(asked.folded) and told)):
        return None
    fresh = [each for each in JOKES if each not in told]
    return asked.chance.choice(fresh) if fresh else min(JOKES, key=lambda each: len(told) - told[::-1].index(each))


def draw(asked: Asked) -> str | None:
    """A coin, a die, or a number from one to ten."""
    folded = asked.folded
    if _COIN.search(folded):
        return f"It is {asked.chance.choice(('heads', 'tails'))}."
    if _DIE.search(folded):
        return f"I rolled {in_words(asked.chance.randint(1, 6))}."
    if _NUMBER.search(folded):
        return f"I pick {in_words(asked.chance.randint(1, 10))}."
    return None
