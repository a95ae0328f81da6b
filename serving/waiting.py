"""How much waits to be exported, and what became of the rest. Holds nobody up."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from prometheus_client import Counter

T = TypeVar("T")

# What protobuf raises of a value that it cannot write: a number that is too large, half of a character.
_UNWRITABLE: Final = (ValueError, TypeError)


class Waiting:
    """Spans or log records that wait, those that are under way included; more than `most` of them are dropped."""

    def __init__(self, most: int, fates: Counter) -> None:
        """Count in `fates` what was sent, has failed or was dropped."""
        self._most = most
        self._count = 0
        self._lock = threading.Lock()
        self._sent, self._failed, self._dropped = (fates.labels(each) for each in ("sent", "failed", "dropped"))

    def enter(self) -> bool:
        """Take one more; False: it is dropped."""
        with self._lock:
            free = self._count < self._most
            self._count += free
        if not free:
            self._dropped.inc()
        return free

    def export(self, batch: Sequence[T], send: Callable[[Sequence[T]], bool]) -> bool:
        """Have a batch sent, and count it; one of its parts that cannot be written takes no other with it."""
        try:
            sent = self._send(batch, send)
        finally:
            with self._lock:
                self._count -= len(batch)
        return sent

    def _send(self, batch: Sequence[T], send: Callable[[Sequence[T]], bool]) -> bool:
        done, good = 0, False
        try:
            good = send(batch)
            done = len(batch) if good else 0
        except _UNWRITABLE:
            for each in batch if len(batch) > 1 else ():
                done += self._sent_alone(each, send)
            good = done > 0
        finally:
            self._sent.inc(done)
            self._failed.inc(len(batch) - done)
        return good

    @staticmethod
    def _sent_alone(one: T, send: Callable[[Sequence[T]], bool]) -> bool:
        try:
            return send((one,))
        except _UNWRITABLE:
            return False
