"""Which endpoint to ask first: those that answered, in their order; who failed is left alone for a while that grows.

Knows nothing of what an endpoint is. Seconds on any clock that does not go back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_FIRST_REST_SECONDS: Final = 2.0
_LONGEST_REST_SECONDS: Final = 60.0


@dataclass(slots=True)
class _Record:
    failures: int = 0
    rests_until: float = 0.0


class Health:
    """What is remembered of so many endpoints."""

    def __init__(self, count: int) -> None:
        """All of them are well."""
        self._records = [_Record() for _ in range(count)]

    def order(self, now: float) -> tuple[int, ...]:
        """Whom to ask, first to last: the rested ones in their order, then those whose rest is over soonest."""
        places = range(len(self._records))
        return tuple(sorted(places, key=lambda place: max(0.0, self._records[place].rests_until - now)))

    def all_rest(self, now: float) -> bool:
        """Every one of them has failed, and is to be left alone a while longer."""
        return all(record.rests_until > now for record in self._records)

    def worked(self, place: int) -> None:
        """It answered."""
        self._records[place] = _Record()

    def failed(self, place: int, now: float, retry_after_seconds: float | None = None) -> None:
        """It did not; `retry_after_seconds`: what it asked for itself."""
        record = self._records[place]
        rest = min(_LONGEST_REST_SECONDS, _FIRST_REST_SECONDS * 2**record.failures)
        if retry_after_seconds is not None:
            rest = max(rest, min(retry_after_seconds, _LONGEST_REST_SECONDS))
        self._records[place] = _Record(record.failures + 1, now + rest)
