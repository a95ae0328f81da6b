"""PURE: how many conversations a gateway may carry, reckoned from what those cost that it has.

It decides nothing; operators and autoscalers see by it how full a gateway is.
"""

from __future__ import annotations

from typing import Final

# Until the first have been seen. What follows is a share of one core, which is all that an event loop can use.
_GUESS: Final = 100
_FULL: Final = 0.8
_FEWEST: Final = 4
_MOST: Final = 10_000
_WEIGHT: Final = 0.1


class Estimate:
    """What a conversation costs, smoothed over some ten looks."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._cost = _FULL / _GUESS

    def note(self, busy: float, sessions: int) -> None:
        """For a second the loop's thread computed for the share `busy` of it, for so many `sessions`."""
        # Of fewer the loop's own timers are too large a part.
        if sessions >= _FEWEST:
            self._cost += _WEIGHT * (busy / sessions - self._cost)

    def most(self, sessions: int, *, is_full: bool) -> int:
        """How many there may be beside, or among, so many `sessions`; no more than these where it `is_full`."""
        if is_full:
            return max(1, sessions)
        return max(sessions + 1, min(_MOST, round(_FULL / max(self._cost, _FULL / _MOST))))
