"""Keeps partial texts from flickering: what two hypotheses in a row agree on is final, and only the rest may change.

Local agreement of two (Liu et al., "Low-latency sequence-to-sequence speech recognition", 2020), by words. The stable
part only grows. Knows nothing of sound.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import takewhile

_WORD = re.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class Partial:
    """A text of which the beginning will not change."""

    text: str
    """The whole text so far."""
    stable_characters: int
    """Characters at its start that no later partial changes."""


class Stabilizer:
    """The partials of one turn."""

    def __init__(self) -> None:
        self._stable: list[str] = []
        self._last: list[str] = []

    def add(self, text: str) -> Partial:
        """Take a hypothesis of everything said so far."""
        words = _WORD.findall(text)
        count = len(self._stable)
        pairs = zip(self._last[count:], words[count:], strict=False)
        self._stable += [new for _, new in takewhile(lambda pair: pair[0] == pair[1], pairs)]
        self._last = words
        shown = " ".join(self._stable + words[len(self._stable) :])
        return Partial(shown, len(" ".join(self._stable)))
