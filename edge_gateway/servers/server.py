"""One server of a pool: follows its health, and counts the calls of this gateway to it.

Knows nothing of the other servers, nor of how one is chosen.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from edge_gateway.servers.standing import Standing
from edge_gateway.servers.workload import is_slow, part_load
from parley.errors import ParleyError

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from edge_gateway.capacity.path import PartLoad
    from edge_gateway.servers.contact import Contact

C = TypeVar("C")

# A server that was killed and started again is used again within about a second.
_FIRST_PAUSE_SECONDS: Final = 0.1
_LONGEST_PAUSE_SECONDS: Final = 1.0
_JITTER: Final = 0.2
# A server that answers no health check in this time does not serve anybody either.
_CHECK_SECONDS: Final = 1.0


class Server(Generic[C]):
    """One address."""

    def __init__(
        self, address: str, contact: Contact[C], changed: Callable[[Server[C]], None], chance: random.Random
    ) -> None:
        """Know nothing of it yet; `changed` is told whenever its standing changes."""
        self.address = address
        self.contact = contact
        self.standing = Standing()
        self.is_member = True
        """It is one of those that the configuration, or DNS, names."""
        self.load = 0
        """Calls of this gateway that run there."""
        self.task: asyncio.Task[None] | None = None
        """Follows its health."""
        self._changed = changed
        self._chance = chance
        self._doubted = asyncio.Event()
        self._pause_seconds = 0.0

    def count(self, calls: int) -> None:
        """So many calls of this gateway begin there, or end: a negative number."""
        self.load += calls

    def work(self, part: str) -> PartLoad:
        """How much it has to do, as `part` of what a session needs."""
        return part_load(part, self.contact.load, self.contact.calls_since, self._now())

    @property
    def is_slow(self) -> bool:
        """It lives, and has said that it has too much to do."""
        return is_slow(self.contact.load, self._now())

    async def follow(self) -> None:
        """Follow its health until cancelled, and close the way to it then."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.contact.run(), name="server calls")
                tasks.create_task(self._watch(), name="server health")
                tasks.create_task(self._recheck(), name="server doubts")
        finally:
            await self.contact.close()

    def doubt(self, at_least_seconds: float = 0.0) -> None:
        """A call failed there: it is not asked while others are, until its health was asked anew."""
        pause = self.standing.doubt(self._now())
        self._ask_after(max(pause, at_least_seconds))
        self._changed(self)

    async def _watch(self) -> None:
        seconds = _FIRST_PAUSE_SECONDS
        while True:
            try:
                async with aclosing(self.contact.health()) as health:
                    async for serves in health:
                        seconds = _FIRST_PAUSE_SECONDS
                        self._hear(serves=serves)
            except ParleyError as error:
                self.standing.is_lost(str(error), self._now(), has_calls=self.load > 0)
                self._changed(self)
            await asyncio.sleep(seconds * self._chance.uniform(1 - _JITTER, 1 + _JITTER))
            seconds = min(2 * seconds, _LONGEST_PAUSE_SECONDS)

    def _hear(self, *, serves: bool) -> None:
        if serves:
            pause = self.standing.serves(self._now())
            if pause:
                self._ask_after(pause)
        else:
            self.standing.drains(self._now())
        self._changed(self)

    def _ask_after(self, seconds: float) -> None:
        self._pause_seconds = seconds
        self._doubted.set()

    async def _recheck(self) -> None:
        while True:
            await self._doubted.wait()
            self._doubted.clear()
            await asyncio.sleep(self._pause_seconds)
            await self._answered()
            if not self._doubted.is_set():
                self.standing.trust()
                self._changed(self)

    async def _answered(self) -> None:
        """Return when it says that it serves; asked once a second."""
        while True:
            try:
                async with asyncio.timeout(_CHECK_SECONDS):
                    if await self.contact.check():
                        return
            except TimeoutError:
                continue
            except ParleyError:
                pass
            await asyncio.sleep(_CHECK_SECONDS)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
