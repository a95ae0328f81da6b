"""How fast and how loud a reply is spoken, and from where in its text on that changes. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Prosody:
    """How something is spoken."""

    speed: float = 1.0
    """0.5 to 2."""
    gain_db: float = 0.0
    """How much louder than usual, -20 to 12 decibels."""


@dataclass(frozen=True, slots=True)
class Adjust:
    """Speak otherwise from the next sentence on."""

    speed: float | None = None
    """0.5 to 2; None: as before."""
    gain_db: float | None = None
    """-20 to 12 decibels; None: as before."""


class ProsodyCourse:
    """The prosody of one reply along its text."""

    def __init__(self, first: Prosody) -> None:
        """Begin with `first`."""
        self._now = first
        self._changes: list[tuple[int, Adjust]] = []

    def change(self, character: int, adjust: Adjust) -> None:
        """Let what begins at `character` of the text or later be spoken otherwise; changes come in the text's order."""
        self._changes.append((character, adjust))

    def at(self, character: int) -> Prosody:
        """How a sentence that begins at `character` is spoken; sentences come in the text's order."""
        while self._changes and self._changes[0][0] <= character:
            adjust = self._changes.pop(0)[1]
            speed = self._now.speed if adjust.speed is None else adjust.speed
            gain_db = self._now.gain_db if adjust.gain_db is None else adjust.gain_db
            self._now = replace(self._now, speed=speed, gain_db=gain_db)
        return self._now
