"""How many calls a server takes at once: one more is refused, with the time to come again. Knows no service by name."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from parley.errors import Overloaded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import Gauge


class Slots:
    """Counts what runs, and refuses what would be too much."""

    def __init__(self, limit: int, gauge: Gauge, what: str, retry_after_ms: int) -> None:
        """Admit `limit` at once and show them in `gauge`; `what` they are called, and when to try again, is told."""
        self._limit = limit
        self._gauge = gauge
        self._refusal = f"all {limit} {what} are taken"
        self._retry_after_ms = retry_after_ms
        self._taken = 0

    @property
    def taken(self) -> int:
        """How many are held now."""
        return self._taken

    @contextmanager
    def take(self) -> Iterator[None]:
        """Hold one slot for as long as the block lasts.

        Raises:
            Overloaded: none is free.
        """
        if self._taken >= self._limit:
            raise Overloaded(self._refusal, retry_after_ms=self._retry_after_ms)
        self._taken += 1
        self._gauge.inc()
        try:
            yield
        finally:
            self._taken -= 1
            self._gauge.dec()
