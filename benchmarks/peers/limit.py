"""How many sessions something carries: the largest number at which a line is kept. Knows nothing of what is run.

A machine that others use misses the line now and then at any number, so a number that misses it is tried once more, and
carries its sessions where one of the two tries does.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

STEPS: Final = (
    *(1, 2, 4, 6, 8, 10, 12, 15, 20, 25, 30, 35, 40, 50, 60, 70, 80, 90, 100, 110, 120, 130, 140, 160, 180, 200),
    *(220, 240, 270, 300, 350, 400),
)
"""The numbers that are tried."""
_OWN_DELAY_MS: Final = 100.0
_CLIENT_LATE_MS: Final = 5.0


class Outcome(enum.Enum):
    """What a run says of a number."""

    KEPT = "kept"
    """The line was kept."""
    MISSED = "missed"
    """It was not."""
    UNKNOWN = "not known"
    """It was not, and the bench could not keep time itself, which may be why."""


def outcome(figures: Mapping[str, Any] | None) -> Outcome:
    """Whether all turns were answered, own delay is 100 ms at most (p99) and no packet late; None: the run failed."""
    if figures is None:
        return Outcome.MISSED
    delay = figures["own_delay_p99_ms"]
    whole = figures["measured"] == figures["turns"] and not figures["errors"] and not figures["late_packets"]
    if whole and delay is not None and delay <= _OWN_DELAY_MS:
        return Outcome.KEPT
    late = figures["client_late_p99_ms"]
    return Outcome.UNKNOWN if late is not None and late > _CLIENT_LATE_MS else Outcome.MISSED


async def in_two_tries(run: Callable[[int], Awaitable[Outcome]], sessions: int) -> Outcome:
    """What one try or two say of a number: missed where the line was missed twice, and once by what is measured."""
    first = await run(sessions)
    if first is Outcome.KEPT:
        return first
    second = await run(sessions)
    return first if second is Outcome.UNKNOWN else second


async def largest(run: Callable[[int], Awaitable[Outcome]], guess: int) -> tuple[int, bool]:
    """The largest number at which the line is kept; and whether the bench's own limit may hide a larger one.

    `run` tries a number, `guess` first: from there in ever longer strides until the limit is enclosed, then in halves.
    0: not even one session.
    """
    low, high = -1, len(STEPS)
    place = min(range(len(STEPS)), key=lambda each: abs(STEPS[each] - guess))
    stride, hidden = 2, False
    while high - low > 1:
        found = await in_two_tries(run, STEPS[place])
        if found is Outcome.KEPT:
            low = place
        else:
            high, hidden = place, found is Outcome.UNKNOWN
        # Away from the guess in strides, until it is enclosed.
        if high == len(STEPS):
            place, stride = min(low + stride, high - 1), 2 * stride
        elif low == -1:
            place, stride = max(high - stride, 0), 2 * stride
        else:
            place = (low + high) // 2
    return (STEPS[low] if low >= 0 else 0), hidden
