"""Lets sound that stays away in the middle of a turn count as silence, so that the turn ends."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from edge_gateway.input.uplink import Uplink

# A key was let go, a microphone muted or unplugged.
_ABSENT_SECONDS: Final = 1.5
_MORE_SECONDS: Final = 0.5


async def fill_absence(uplink: Uplink, turn_open: asyncio.Event) -> None:
    """Fill what is absent for 1.5 s while `turn_open` is set and a stream takes sound; until cancelled."""
    clock = asyncio.get_running_loop().time
    while True:
        await turn_open.wait()
        absent_seconds = clock() - uplink.heard_seconds
        if absent_seconds < _ABSENT_SECONDS:
            await asyncio.sleep(_ABSENT_SECONDS - absent_seconds)
            continue
        if uplink.connected:
            first_time = absent_seconds < _ABSENT_SECONDS + _MORE_SECONDS
            uplink.be_silent(_ABSENT_SECONDS if first_time else _MORE_SECONDS)
        await asyncio.sleep(_MORE_SECONDS)
