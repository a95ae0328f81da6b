"""Lets sound that stays away in the middle of a turn count as silence, so that the turn ends.

A key that was let go, a microphone that was muted: outside a turn nobody waits for them, and nothing is looked at.
Knows nothing of servers.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from edge_gateway.input.uplink import Uplink

_ABSENT_SECONDS: Final = 1.5
_MORE_ABSENT_SECONDS: Final = 0.5


class AbsentSound:
    """Watches over the sound of one session while a turn is open."""

    def __init__(self, uplink: Uplink) -> None:
        """Fill the absence in `uplink`, at the pace of time."""
        self._uplink = uplink
        self._timer: asyncio.TimerHandle | None = None

    def turn_opens(self) -> None:
        """Sound is missed from now on."""
        self._uplink.is_turn_open = True
        if self._timer is None:
            self._look()

    def turn_is_over(self) -> None:
        """No sound is missed any more."""
        self._uplink.is_turn_open = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        absent_seconds = loop.time() - self._uplink.heard_seconds
        wait_seconds = _ABSENT_SECONDS - absent_seconds
        if wait_seconds <= 0:
            wait_seconds = _MORE_ABSENT_SECONDS
            if self._uplink.is_connected:
                first_time = absent_seconds < _ABSENT_SECONDS + _MORE_ABSENT_SECONDS
                self._uplink.be_silent(_ABSENT_SECONDS if first_time else _MORE_ABSENT_SECONDS)
        self._timer = loop.call_later(wait_seconds, self._look)
