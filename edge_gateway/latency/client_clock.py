"""Puts a client's clock on the gateway's, by the exchange with the least round trip.

The offset is NTP's (RFC 5905, section 8): half the difference of the two ways. Its error is at most half of the round
trip, so the exchange with the shortest one is believed. A clock that is set in between is noticed: then no earlier
exchange agrees with the new one any more. Knows nothing of how pings travel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_KEPT: Final = 12
# What two healthy clocks drift apart in a minute, and more.
_DRIFT_US: Final = 20_000
_LAST_US: Final = 2**62


@dataclass(frozen=True, slots=True)
class _Exchange:
    round_trip_us: int
    offset_us: int

    def contradicts(self, other: _Exchange) -> bool:
        """True when not both can be right about one clock."""
        return abs(self.offset_us - other.offset_us) > (self.round_trip_us + other.round_trip_us) // 2 + _DRIFT_US


class ClientClock:
    """What is known of one client's clock; all times are microseconds since the Unix epoch."""

    def __init__(self) -> None:
        """Know nothing: until the first exchange the two clocks are taken as one."""
        self._exchanges: list[_Exchange] = []
        self._best = _Exchange(0, 0)

    @property
    def known(self) -> bool:
        """True after the first exchange."""
        return bool(self._exchanges)

    @property
    def round_trip_us(self) -> int:
        """Round trip of the exchange that is believed."""
        return self._best.round_trip_us

    @property
    def uncertainty_us(self) -> int:
        """Largest error of a converted time."""
        return self._best.round_trip_us // 2

    def exchange(self, sent_us: int, received_us: int, answered_us: int, returned_us: int) -> None:
        """Take one ping: sent and returned on the gateway's clock, received and answered on the client's."""
        round_trip_us = (returned_us - sent_us) - (answered_us - received_us)
        if not 0 <= round_trip_us <= returned_us - sent_us or not -_LAST_US < received_us <= answered_us < _LAST_US:
            return  # a clock was set in between, or these are no times
        exchange = _Exchange(round_trip_us, ((received_us - sent_us) + (answered_us - returned_us)) // 2)
        if self.known and exchange.contradicts(self._best):
            self._exchanges = []
        self._exchanges = [*self._exchanges[1 - _KEPT :], exchange]
        self._best = min(self._exchanges, key=lambda each: each.round_trip_us)

    def to_gateway_us(self, client_us: int) -> int:
        """A time on the client's clock, on the gateway's."""
        return client_us - self._best.offset_us
