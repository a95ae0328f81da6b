"""Asks DNS again and again which addresses the configured names stand for. Knows nothing of servers."""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import TYPE_CHECKING, Final, TypeAlias

from edge_gateway.servers.origins import Roster

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable, Collection, Sequence

    from edge_gateway.servers.origins import Origin

    Resolve: TypeAlias = Callable[[str, int], Awaitable[Collection[str]]]
    """The addresses of a host and port, without ports; OSError where there are none."""

_log = logging.getLogger("parley.gateway")

# A new replica of a headless Service is found within six seconds, and in two where one was lost, which it may replace.
_ASK_SECONDS: Final = 5.0
_ASK_AFTER_LOSS_SECONDS: Final = 1.5
_JITTER: Final = 0.2


async def resolve(host: str, port: int) -> Collection[str]:
    """What the system's resolver says."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return {str(address[0]) for *_, address in found}


class Discovery:
    """Keeps a roster of addresses."""

    def __init__(
        self,
        origins: Sequence[Origin],
        resolve: Resolve,
        changed: Callable[[], None],
        is_dead: Callable[[str], bool],
        chance: random.Random,
    ) -> None:
        """Know the addresses that were given.

        `changed` is told when DNS has answered; `is_dead` says whether an address that it does not name any more can be
        forgotten at once.
        """
        self.roster = Roster(origins)
        self._resolve = resolve
        self._changed = changed
        self._is_dead = is_dead
        self._chance = chance
        self._lost = asyncio.Event()
        self._unanswered = set(self.roster.names)

    @property
    def is_complete(self) -> bool:
        """Every name was asked for, whatever came of it."""
        return not self._unanswered

    def hasten(self) -> None:
        """A server was lost: another one may be there in its place."""
        self._lost.set()

    async def follow(self, name: Origin) -> None:
        """Ask for a name of the roster until cancelled."""
        failing = False
        while True:
            try:
                found = await self._resolve(name.host, name.port)
            except (OSError, UnicodeError) as error:
                found = ()
                if not failing:
                    _log.warning("DNS knows no address of %s: %s", name.host, error)
            failing = not found
            self._unanswered.discard(name)
            self.roster.answered(name, found, self._is_dead)
            self._changed()
            await self._pause()

    async def _pause(self) -> None:
        jitter = self._chance.uniform(1 - _JITTER, 1 + _JITTER)
        self._lost.clear()
        await asyncio.sleep(_ASK_AFTER_LOSS_SECONDS * jitter)
        try:
            async with asyncio.timeout((_ASK_SECONDS - _ASK_AFTER_LOSS_SECONDS) * jitter):
                await self._lost.wait()
        except TimeoutError:
            return
