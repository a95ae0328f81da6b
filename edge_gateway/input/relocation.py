"""Takes a session's recognition to another ASR server when its own drains: while nobody speaks, so no turn is cut.

What the old server has not accounted for is heard again by the new one. A stream that is not needed any more is left
for none. Knows nothing of sound.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_gateway.servers.placement import Placement

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_gateway.input.demand import Demand


class Relocation:
    """The moves of one session."""

    def __init__(self, is_lull: Callable[[], bool], demand: Demand) -> None:
        """`is_lull` says whether nobody speaks, nor waits for their words."""
        self._is_lull = is_lull
        self._demand = demand
        self._leave: Callable[[], bool] = _stay
        self._placement = Placement(self.look)
        self.is_due = False
        """The stream that was open was left for another server, or for none."""

    @property
    def has_alternative(self) -> bool:
        """Another server would take the stream that was open last."""
        return self._placement.has_alternative

    def is_slow(self) -> bool:
        """The server of the stream that was open last lives, and has said that it has too much to do."""
        return self._placement.is_slow

    def stream(self, leave: Callable[[], bool]) -> Placement:
        """The place of a new stream, which `leave` ends; False: it cannot be left just now."""
        self.is_due, self._leave, self._placement = False, leave, Placement(self.look)
        return self._placement

    def look(self) -> None:
        """Leave the stream, where its server drains and nobody speaks, or it is not needed."""
        leaves = not self._demand.is_there or (self._placement.is_to_be_left and self._is_lull())
        if leaves and not self.is_due:
            self.is_due = self._leave()

    def hangs(self) -> None:
        """The server does not answer."""
        self._placement.hangs()


def _stay() -> bool:
    """There is no stream to be left."""
    return False
