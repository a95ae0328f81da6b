"""Takes a session's recognition to another ASR server when its own drains: while nobody speaks, so no turn is cut.

What the old server has not accounted for is heard again by the new one. Knows nothing of sound.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from edge_gateway.servers.placement import Placement

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


class Relocation:
    """The moves of one session."""

    def __init__(self, is_lull: Callable[[], bool]) -> None:
        """`is_lull` says whether nobody speaks, nor waits for their words."""
        self._is_lull = is_lull
        self._timeout: asyncio.Timeout | None = None
        self._placement = Placement(self.look)
        self.is_due = False
        """The stream that was open was left for another server."""

    @property
    def has_alternative(self) -> bool:
        """Another server would take the stream that was open last."""
        return self._placement.has_alternative

    @asynccontextmanager
    async def stream(self) -> AsyncIterator[Placement]:
        """A stream, which may be left by this block's end, with its place."""
        self.is_due, self._placement = False, Placement(self.look)
        try:
            async with asyncio.timeout(None) as self._timeout:
                yield self._placement
        except TimeoutError:
            if not self.is_due:
                raise
        finally:
            self._timeout = None

    def look(self) -> None:
        """Leave the stream, where its server drains and nobody speaks."""
        if self._timeout is not None and not self.is_due and self._placement.is_to_be_left and self._is_lull():
            self.is_due = True
            self._timeout.reschedule(asyncio.get_running_loop().time())

    def hangs(self) -> None:
        """The server does not answer."""
        self._placement.hangs()
