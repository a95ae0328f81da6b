"""PURE: how late an event loop came to a timer in the last second. Seconds on any steady clock."""

from __future__ import annotations

import math
from collections import deque
from typing import Final

PERIOD_SECONDS: Final = 0.02
"""From one timer to the next: a packet's length, and 50 timers a second cost a thousandth of a core."""
WINDOW_SECONDS: Final = 1.0
"""How far back it is remembered."""


class Lateness:
    """What whoever came to the loop had to wait."""

    def __init__(self) -> None:
        """Nothing has been late yet."""
        self._noted: deque[tuple[float, float]] = deque()

    def note(self, now: float, late_seconds: float) -> None:
        """A timer was due `late_seconds` before `now`.

        The timers that would have come meanwhile count too, each with what it would have waited (coordinated
        omission): else one that was late by a whole second would weigh as little as one that was on time.
        """
        due = now - late_seconds
        missed = max(0, math.ceil((late_seconds - WINDOW_SECONDS) / PERIOD_SECONDS))
        at = due + missed * PERIOD_SECONDS
        while at <= now:
            self._noted.append((at, now - at))
            at += PERIOD_SECONDS
        while self._noted and self._noted[0][0] < now - WINDOW_SECONDS:
            self._noted.popleft()

    def quantile(self, share: float, now: float, seconds: float = WINDOW_SECONDS) -> float:
        """The lateness that this share of the last `seconds` did not go over; 0: nothing was noted."""
        late = sorted(late for at, late in self._noted if at >= now - seconds)
        return late[min(len(late) - 1, int(share * len(late)))] if late else 0.0
