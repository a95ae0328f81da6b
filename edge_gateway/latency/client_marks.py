"""Takes moments on a client's clock into a turn's timeline, as soon as that clock is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from parley.conversation import ClientMark, MarkKind
from serving.telemetry import clock_ns

if TYPE_CHECKING:
    from edge_gateway.latency.client_clock import ClientClock
    from edge_gateway.turn import Turn

_PLAYBACK: Final = (MarkKind.FIRST_PACKET, MarkKind.FIRST_RENDERED, MarkKind.FIRST_AUDIBLE)


class ClientMarks:
    """The moments of one client.

    A client may report before the first ping was answered, as of a greeting: such moments wait for the clock.
    """

    def __init__(self, clock: ClientClock) -> None:
        """Nothing was reported yet."""
        self._clock = clock
        self._turn: Turn | None = None
        self._unix_us: dict[MarkKind, int] = {}

    def take(self, turn: Turn, mark: ClientMark) -> bool:
        """Take a moment of `turn`'s reply; True when it tells when the reply could be heard."""
        if turn is not self._turn:
            self._turn, self._unix_us = turn, {}
        if mark.kind not in _PLAYBACK:
            return False
        self._unix_us.setdefault(mark.kind, mark.unix_us)
        return self.settle(turn) and mark.kind is MarkKind.FIRST_AUDIBLE

    def settle(self, turn: Turn) -> bool:
        """Bring what was reported of `turn`'s reply onto the gateway's clock, where that is known.

        Gives True when it is known by now when the reply could be heard.
        """
        if turn is not self._turn or not self._clock.known or not self._unix_us:
            return False
        arrived, rendered, audible = (self._on_gateway_ns(kind) for kind in _PLAYBACK)
        times = turn.timeline.reply
        times.played_by((arrived, rendered, audible), clock_ns(), self._clock.uncertainty_us * 1000)
        return times.audible_ns > 0

    def _on_gateway_ns(self, kind: MarkKind) -> int:
        at_us = self._unix_us.get(kind, 0)
        return self._clock.to_gateway_us(at_us) * 1000 if at_us else 0
