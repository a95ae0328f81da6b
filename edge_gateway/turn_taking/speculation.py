"""Counts the replies that are begun before a turn is certainly over, and says whether they pay."""

from __future__ import annotations

from typing import Final

from edge_gateway.turn_taking.phrases import same_words

_MOST_TRIES: Final = 3
# Head starts that the share of wasted ones is taken of, and as many as it takes to speak of a share.
_REMEMBERED: Final = 12
_LEAST: Final = 5


class HeadStarts:
    """The guesses of a session that a turn was over."""

    def __init__(self) -> None:
        """Nothing was guessed yet."""
        self._guess: str | None = None
        self._tries = (0, 0)
        """The turn that tries were last counted for, and how many it had."""
        self._came_true: list[bool] = []

    def guess(self, turn: int, text: str, waste: float) -> bool:
        """Take a guess; True when a reply is to be begun for it. `waste` is the share that may be in vain."""
        self.wrong()
        self._guess = text
        if not self.pay(waste):
            return False
        last, tries = self._tries
        tries = tries + 1 if last == turn else 1
        if tries > _MOST_TRIES:
            return False
        self._tries = (turn, tries)
        return True

    def wrong(self) -> None:
        """The user went on, or it was no turn."""
        if self._guess is not None:
            self._note(came_true=False)
            self._guess = None

    def settled(self, text: str) -> None:
        """The turn is over, with these words."""
        if self._guess is not None:
            self._note(came_true=same_words(self._guess, text))
            self._guess = None

    def forget(self) -> None:
        """The turn was an echo: the guess says nothing."""
        self._guess = None

    def _note(self, *, came_true: bool) -> None:
        self._came_true = [*self._came_true[1 - _REMEMBERED :], came_true]

    def pay(self, waste: float) -> bool:
        """False while more of the last guesses were wrong than `waste` allows."""
        return len(self._came_true) < _LEAST or self._came_true.count(False) / len(self._came_true) <= waste
