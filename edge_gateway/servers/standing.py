"""How one server stands with this gateway: what it says of itself, and what became of the calls to it.

Pure: time comes as an argument, in seconds on any clock.
"""

from __future__ import annotations

import enum
from typing import Final

# How long a server that failed is left alone before it is looked at again; doubled with each failure of a minute.
_FIRST_PAUSE_SECONDS: Final = 0.25
_LONGEST_PAUSE_SECONDS: Final = 16.0
_FORGIVEN_SECONDS: Final = 60.0


class State(enum.Enum):
    """What is known of a server's health."""

    UNKNOWN = "unknown"
    """It has not answered yet."""
    SERVING = "serving"
    """It takes calls."""
    DRAINING = "draining"
    """It takes no new calls, and may finish those that run."""
    LOST = "lost"
    """It cannot be reached."""


class Rank(enum.IntEnum):
    """How gladly a server is asked; the lowest first."""

    GOOD = 0
    """It serves, and nothing speaks against it."""
    DOUBTFUL = 1
    """It says that it serves, and calls failed: better than none."""
    NO_USE = 2
    """It does not serve."""


class Standing:
    """One server's."""

    def __init__(self) -> None:
        """Nothing is known."""
        self.state = State.UNKNOWN
        self.reason = ""
        """Why it does not serve, for people."""
        self.is_doubted = False
        """Calls failed there, and its health was not asked anew since."""
        self._failures = 0
        self._failed_at = 0.0

    @property
    def rank(self) -> Rank:
        """How gladly it is asked."""
        if self.state is not State.SERVING:
            return Rank.NO_USE
        return Rank.DOUBTFUL if self.is_doubted else Rank.GOOD

    def serves(self, now: float) -> float:
        """It says that it serves; gives seconds after which to ask again, 0: it is believed.

        One that comes and goes is believed later each time.
        """
        came_back = self.state in (State.DRAINING, State.LOST)
        self.state, self.reason = State.SERVING, ""
        if came_back and self._failures > 1 and now - self._failed_at < _FORGIVEN_SECONDS:
            self.is_doubted = True
            return self._pause
        return 0.0

    def drains(self, now: float) -> None:
        """It says that it takes no new calls."""
        self._leaves(now, State.DRAINING, "it takes no new calls")

    def is_lost(self, reason: str, now: float, *, has_calls: bool) -> None:
        """It does not say any more how it is. One that drains may still finish the calls that it has."""
        if self.state is not State.DRAINING or not has_calls:
            self._leaves(now, State.LOST, reason)

    def doubt(self, now: float) -> float:
        """A call failed there; gives seconds after which to ask for its health."""
        self._failed(now)
        self.is_doubted = True
        return self._pause

    def trust(self) -> None:
        """It was asked for its health, and answered."""
        self.is_doubted = False

    @property
    def _pause(self) -> float:
        return min(_FIRST_PAUSE_SECONDS * 2.0 ** min(self._failures - 1, 16), _LONGEST_PAUSE_SECONDS)

    def _leaves(self, now: float, state: State, reason: str) -> None:
        if self.state is State.SERVING:
            self._failed(now)
        self.state, self.reason = state, reason

    def _failed(self, now: float) -> None:
        self._failures = self._failures + 1 if now - self._failed_at < _FORGIVEN_SECONDS else 1
        self._failed_at = now
