"""Lets sound that stays away in the middle of a turn count as silence, so that the turn ends.

A key that was let go, a microphone that was muted: outside a turn nobody waits for them. Knows nothing of servers.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from edge_gateway.input.uplink import Uplink

_ABSENT_SECONDS: Final = 1.5
_MORE_ABSENT_SECONDS: Final = 0.5


class AbsentSound:
    """Watches over the sound of one session."""

    def __init__(self, uplink: Uplink) -> None:
        """Fill the absence in `uplink`."""
        self.turn_open = asyncio.Event()
        """Set while a turn is open, and sound is missed."""
        self._uplink = uplink

    async def fill(self) -> None:
        """Fill it until cancelled, at the pace of time."""
        clock = asyncio.get_running_loop().time
        while True:
            await self.turn_open.wait()
            absent_seconds = clock() - self._uplink.heard_seconds
            if absent_seconds < _ABSENT_SECONDS:
                await asyncio.sleep(_ABSENT_SECONDS - absent_seconds)
                continue
            if self._uplink.is_connected:
                first_time = absent_seconds < _ABSENT_SECONDS + _MORE_ABSENT_SECONDS
                self._uplink.be_silent(_ABSENT_SECONDS if first_time else _MORE_ABSENT_SECONDS)
            await asyncio.sleep(_MORE_ABSENT_SECONDS)
