"""Takes the moments on the listener's clock, and shows them where the time of a turn went as soon as that is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_gateway.latency.client_marks import ClientMarks

if TYPE_CHECKING:
    from edge_gateway.connection import ClientConnection
    from edge_gateway.latency.client_clock import ClientClock
    from edge_gateway.latency.turn_metrics import TurnMetrics
    from edge_gateway.turn import Turn
    from parley.conversation import ClientMark


class ShownTimes:
    """The waterfalls of one session's turns, on their way to the listener."""

    def __init__(self, connection: ClientConnection, metrics: TurnMetrics, clock: ClientClock) -> None:
        """Tell `connection`."""
        self._connection = connection
        self._metrics = metrics
        self._clock = clock
        self._marks = ClientMarks(clock)

    async def take(self, turn: Turn, mark: ClientMark) -> None:
        """Take a moment of this turn; the last of them lets the listener see the waterfall."""
        if self._marks.take(turn, mark):
            await self._show(turn)

    async def settle(self, turn: Turn) -> None:
        """The listener's clock can be read from now on: so can what was reported before."""
        if self._marks.settle(turn):
            await self._show(turn)

    async def _show(self, turn: Turn) -> None:
        times = self._metrics.times(turn, self._clock)
        if times is not None:
            await self._connection.send(times)
