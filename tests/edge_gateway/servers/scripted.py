"""Servers that say of themselves what a test says, and a DNS that gives what a test gives; on virtual time."""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edge_gateway.servers.origins import origins_of
from edge_gateway.servers.pool import Pool, PoolConfig, open_pool
from parley.errors import ParleyError, Unavailable
from tests.virtual_time import settled

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Collection

    from edge_gateway.servers.origins import Origin
    from parley.status import StatusClient
    from parley.v1.multiplex_pb2 import ServerLoad

REFUSED = Unavailable("connection refused")


class Scripted:
    """One server, which is also its own client."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.client = self
        self.status: StatusClient | None = None
        self.serves: bool | ParleyError | None = True
        """What it says when it is asked; None: nothing."""
        self.load: tuple[float, ServerLoad] | None = None
        self.calls_since: float | None = None
        self.checks = self.watches = 0
        self.is_closed = False
        self._news: asyncio.Event = asyncio.Event()

    def be(self, serves: bool | ParleyError | None) -> None:  # noqa: FBT001 - it is the one thing that it can be
        """Be like this from now on, and say so."""
        self.serves = serves
        self._news.set()
        self._news = asyncio.Event()

    async def run(self) -> None:
        """Nothing is shared."""

    async def health(self) -> AsyncGenerator[bool, None]:
        self.watches += 1
        while True:
            news = self._news
            if isinstance(self.serves, ParleyError):
                raise self.serves
            if self.serves is not None:
                yield self.serves
            await news.wait()

    async def check(self) -> bool:
        self.checks += 1
        if isinstance(self.serves, ParleyError):
            raise self.serves
        if self.serves is None:
            await asyncio.Event().wait()
        return bool(self.serves)

    async def close(self) -> None:
        self.is_closed = True


@dataclass
class Net:
    """Every server by its address, and every name with its addresses."""

    servers: dict[str, Scripted] = field(default_factory=dict)
    names: dict[str, list[str] | OSError | None] = field(default_factory=dict)
    """None: DNS does not answer."""
    questions: int = 0
    at_first: bool | ParleyError | None = True
    """What a server says that a test has not met."""

    def __getitem__(self, address: str) -> Scripted:
        if address not in self.servers:
            self.servers[address] = Scripted(address)
            self.servers[address].serves = self.at_first
        return self.servers[address]

    unusable: ParleyError | None = None
    """What keeps a gateway from asking a server that it has just met."""

    def connect(self, address: str, origin: Origin) -> Scripted:
        del origin
        if self.unusable is not None:
            raise self.unusable
        return self[address]

    async def resolve(self, host: str, port: int) -> Collection[str]:
        del port
        self.questions += 1
        found = self.names[host]
        if found is None:
            await asyncio.Event().wait()
        if isinstance(found, OSError):
            raise found
        return found or []

    @asynccontextmanager
    async def pool(self, addresses: str, seed: int = 0) -> AsyncIterator[Pool[Scripted]]:
        """A pool of servers at `addresses`, when all that they have to say at first is known."""
        chance = random.Random(seed)  # noqa: S311 - a test is to be the same each time
        origins = origins_of(addresses, "PARLEY_ASR_ADDRESS")
        config: PoolConfig[Scripted] = PoolConfig("asr", origins, self.connect, self.resolve, chance)
        async with open_pool(config) as pool:
            await settled()
            yield pool


def serving(pool: Pool[Scripted]) -> list[str]:
    """Addresses that can be chosen."""
    found: set[str] = set()
    while pool.has_choice(found):
        found.add(pool.choose(found).server.address)
    return sorted(found)
