"""Keeps a client's clock known: numbers the pings, says when they are due, and takes their answers.

A client that says nothing is pinged once: until it does there is nothing to put on a clock, and an idle session wakes
nobody. Times of the loop come as arguments, in seconds. Knows nothing of how pings travel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from parley.conversation import Ping, Pong

if TYPE_CHECKING:
    from edge_gateway.latency.client_clock import ClientClock

_AT_START: Final = 5
_FAST_SECONDS: Final = 0.2
_SLOW_SECONDS: Final = 5.0
# Only the newest matter; a client that never answers costs nothing.
_KEPT: Final = 8


class Pings:
    """The pings of one session."""

    def __init__(self, clock: ClientClock) -> None:
        """Take what the answers say into `clock`."""
        self._clock = clock
        self._sent_us: dict[int, int] = {}
        self._count = 0
        self._is_heard = False
        """Something came from the client since the last ping."""
        self.at: float | None = None
        """When the next one is due, loop time; None: not before something comes from the client."""
        self._sent_at = 0.0

    def first(self, now_us: int, now: float) -> Ping:
        """The first ping, when the client is there; as `next`."""
        self._is_heard = False
        return self.next(now_us, now)

    def heard(self, now: float) -> bool:
        """Something has come from the client, no answer to a ping; True when the next ping is due at all since then."""
        self._is_heard = True
        if self.at is not None or not self._count:
            return False
        self.at = max(now, self._sent_at + self.pause_seconds)
        return True

    @property
    def pause_seconds(self) -> float:
        """How long to wait before the next one."""
        return _FAST_SECONDS if self._count < _AT_START else _SLOW_SECONDS

    def next(self, now_us: int, now: float = 0.0) -> Ping:
        """The next ping, sent at `now_us`, microseconds since the Unix epoch, and at `now`, loop time."""
        self._count += 1
        self._sent_at = now
        self._sent_us = dict(list(self._sent_us.items())[1 - _KEPT :])
        self._sent_us[self._count] = now_us
        self.at = now + self.pause_seconds if self._is_heard else None
        self._is_heard = False
        return Ping(self._count, now_us)

    def answered(self, pong: Pong, now_us: int) -> bool:
        """Take an answer; True when the client's clock is known since then."""
        sent_us = self._sent_us.pop(pong.id, 0)
        known = self._clock.known
        if sent_us:
            self._clock.exchange(sent_us, pong.received_unix_us, pong.sent_unix_us, now_us)
        return self._clock.known and not known
