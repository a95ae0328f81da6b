"""A flag that tasks wait for, as `asyncio.Event` is one, for objects of which there are many.

An event makes itself a deque, of 760 bytes, where nobody waits yet; a flag takes 56.
"""

from __future__ import annotations

import asyncio
from typing import Final

_NOBODY: Final[tuple[asyncio.Future[None], ...]] = ()


class Flag:
    """Set or not; whoever waits goes on when it is set."""

    __slots__ = ("_is_set", "_waiting")

    def __init__(self) -> None:
        """Begin unset."""
        self._is_set = False
        self._waiting = _NOBODY

    def is_set(self) -> bool:
        """True since `set`, until `clear`."""
        return self._is_set

    def set(self) -> None:
        """Let all go on that wait."""
        self._is_set = True
        waiting, self._waiting = self._waiting, _NOBODY
        for each in waiting:
            if not each.done():
                each.set_result(None)

    def clear(self) -> None:
        """Have those wait that come from now on."""
        self._is_set = False

    async def wait(self) -> None:
        """Return at once where it is set, or else when it is set next."""
        if self._is_set:
            return
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting += (mine,)
        try:
            await mine
        finally:
            self._waiting = tuple(each for each in self._waiting if each is not mine)
