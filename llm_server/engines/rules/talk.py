"""Small talk: ELIZA's patterns and answers, as NLTK carries them, made fit to be spoken."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

# Some of the patterns take time with the square of a text's length.
_LONGEST = 1_000
_LAST_RESORT = "Tell me more about that."


class Talk:
    """ELIZA, without the state and the console of NLTK's own."""

    def __init__(self) -> None:
        """Compile NLTK's patterns; it is imported here because it takes a quarter of a second."""
        from nltk.chat.eliza import pairs
        from nltk.chat.util import reflections

        self._rules = [(re.compile(pattern, re.IGNORECASE), tuple(answers)) for pattern, answers in pairs]
        self._reflections: dict[str, str] = dict(reflections)

    def respond(self, text: str, chance: random.Random) -> str:
        """An answer to `text`; `chance` picks among those that fit."""
        said = text[:_LONGEST].strip().rstrip(".!?")
        for pattern, answers in self._rules:
            match = pattern.match(said)
            if match:
                return self._fill(chance.choice(answers), match)
        return _LAST_RESORT

    def _fill(self, answer: str, match: re.Match[str]) -> str:
        def part(number: re.Match[str]) -> str:
            words = (match.group(int(number[1])) or "").strip().rstrip(".!?,").split()
            return " ".join(self._reflections.get(word.casefold(), word) for word in words)

        filled = re.sub(r"%(\d)", part, answer)
        # ELIZA's answers were made for a page: mend the spaces and marks that a hole leaves behind.
        filled = re.sub(r"\s+([.,?!])", r"\1", " ".join(filled.split())).rstrip()
        filled = re.sub(r"\?\.$", "?", filled)
        return filled[:1].upper() + filled[1:]
