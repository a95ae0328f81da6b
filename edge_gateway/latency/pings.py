"""Keeps a client's clock known: numbers the pings, and takes their answers. Knows nothing of how they travel."""

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

    @property
    def pause_seconds(self) -> float:
        """How long to wait before the next one."""
        return _FAST_SECONDS if self._count < _AT_START else _SLOW_SECONDS

    def next(self, now_us: int) -> Ping:
        """The next ping, sent at `now_us`, microseconds since the Unix epoch."""
        self._count += 1
        self._sent_us = dict(list(self._sent_us.items())[1 - _KEPT :])
        self._sent_us[self._count] = now_us
        return Ping(self._count, now_us)

    def answered(self, pong: Pong, now_us: int) -> bool:
        """Take an answer; True when the client's clock is known since then."""
        sent_us = self._sent_us.pop(pong.id, 0)
        known = self._clock.known
        if sent_us:
            self._clock.exchange(sent_us, pong.received_unix_us, pong.sent_unix_us, now_us)
        return self._clock.known and not known
