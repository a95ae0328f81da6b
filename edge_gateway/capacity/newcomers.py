"""PURE: of whom nobody knows yet what they cost, so that a rush comes in only as far as it can be borne.

Who has just come costs nothing until they talk, and all who came together talk at about the same time. So each of them
is counted with what a session is thought to cost, until a part has told of a second in which they talked: that makes
room for the next. Who says nothing costs as little as was seen, and keeps nobody out. Seconds are those of any steady
clock.
"""

from __future__ import annotations

from typing import Final, Protocol

SHOWS_SECONDS: Final = 3.0
"""From the first word on: a turn is said and its reply has begun, and a part has told of a second of that."""
SILENT_SECONDS: Final = 3.0
"""Who has said nothing for so long is silent, and counts again from the first word on."""


class Newcomer(Protocol):
    """A session."""

    def has_talked(self) -> bool:
        """True from the first word on."""


class Newcomers:
    """The sessions whose cost is not in what was seen."""

    def __init__(self) -> None:
        """Nobody has come."""
        # Who has said nothing yet, and until when that tells nothing.
        self._new: dict[Newcomer, float] = {}
        # Who has said nothing for long.
        self._silent: dict[Newcomer, None] = {}
        # Who has, and when it will have shown.
        self._talking: dict[Newcomer, float] = {}

    def came(self, session: Newcomer, now: float) -> None:
        """It was let in."""
        self._new[session] = now + SILENT_SECONDS

    def left(self, session: Newcomer) -> None:
        """It is over."""
        for group in (self._new, self._silent, self._talking):
            group.pop(session, None)

    def look(self, now: float) -> None:
        """See who talks; asked when the parts have told how much they have to do."""
        for session in [each for each in (*self._new, *self._silent) if each.has_talked()]:
            self.left(session)
            self._talking[session] = now + SHOWS_SECONDS
        for session in [each for each, until in self._new.items() if until <= now]:
            del self._new[session]
            self._silent[session] = None
        self._talking = {session: shown_at for session, shown_at in self._talking.items() if shown_at > now}

    @property
    def count(self) -> int:
        """How many have not shown what they cost."""
        return len(self._new) + len(self._talking)
