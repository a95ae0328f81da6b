"""The servers of one service, as one gateway sees them: found, watched, chosen, and left when they drain.

`choose()` gives a lease on the server that is to be asked next. Knows nothing of what calls mean.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from edge_gateway.servers.choice import less_loaded
from edge_gateway.servers.lease import Lease
from edge_gateway.servers.resolver import Discovery
from edge_gateway.servers.server import Server
from edge_gateway.servers.standing import Rank, State
from edge_gateway.tasks import end
from parley._duplex import first_of
from parley.errors import ParleyError, Unavailable

if TYPE_CHECKING:
    import random
    from collections.abc import AsyncIterator, Callable, Collection, Sequence

    from edge_gateway.capacity.path import PartLoad
    from edge_gateway.servers.contact import Contact
    from edge_gateway.servers.origins import Origin
    from edge_gateway.servers.resolver import Resolve

_log = logging.getLogger("parley.gateway")

C = TypeVar("C")

# How long a call waits for the first word of any server, and of DNS.
_FIRST_WORD_SECONDS: Final = 2.0
# Calls that leave a server do not all go in the same moment.
_LEAVE_WITHIN_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class PoolConfig(Generic[C]):
    """What a pool is made of."""

    hop: str
    """asr, llm or tts."""
    origins: Sequence[Origin]
    """What the configuration names."""
    connect: Callable[[str, Origin], Contact[C]]
    """Makes the way to an address, which is given with what it came from."""
    resolve: Resolve
    """Asks DNS."""
    chance: random.Random
    """Names servers, and spreads what would happen at once."""


class Pool(Generic[C]):
    """The servers of one service."""

    def __init__(self, config: PoolConfig[C], tasks: asyncio.TaskGroup) -> None:
        """Know nobody; `begin` finds them, with tasks in `tasks`."""
        self.hop = config.hop
        self._config = config
        self._chance = config.chance
        self._tasks: asyncio.TaskGroup = tasks
        self._discovery = Discovery(config.origins, config.resolve, self._found, self._is_dead, config.chance)
        self._servers: dict[str, Server[C]] = {}
        self._told: dict[str, State] = {}
        self._leases: set[Lease[C]] = set()
        self._news = asyncio.Event()

    def begin(self) -> list[asyncio.Task[None]]:
        """Look for servers; gives the tasks that do so."""
        self._found()
        names = self._discovery.roster.names
        return [self._tasks.create_task(self._discovery.follow(name), name=f"dns {name.host}") for name in names]

    async def close(self) -> None:
        """End all calls."""
        for server in list(self._servers.values()):
            if server.task is not None:
                await end(server.task)

    @property
    def servers(self) -> tuple[Server[C], ...]:
        """All that are known, in the order of their addresses."""
        return tuple(self._servers[address] for address in sorted(self._servers))

    def choose(self, avoid: Collection[str] = ()) -> Lease[C]:
        """A lease on the server that is to be asked next, none of the addresses in `avoid`; to be entered at once.

        Raises:
            Unavailable: no server takes calls.
        """
        candidates = self._candidates(avoid)
        if not candidates:
            raise Unavailable(f"the {self.hop} server is not available: {self.why}")
        return Lease(less_loaded(candidates, lambda each: each.load, self._chance), self)

    @property
    def named(self) -> str:
        """What the configuration names."""
        return ", ".join(each.address for each in self._config.origins)

    @property
    def why(self) -> str:
        """Why no server takes calls, for people."""
        if not self._servers:
            return f"no address is known of {self.named}"
        reasons = [f"{each.address}: {each.standing.reason or 'no answer yet'}" for each in self.servers]
        return reasons[0] if len(reasons) == 1 else f"none of {len(reasons)} ({reasons[0]})"

    def has_choice(self, avoid: Collection[str] = ()) -> bool:
        """Whether a server can be asked, none of these addresses."""
        return bool(self._candidates(avoid))

    @property
    def is_well(self) -> bool:
        """A server takes calls, and nothing is suspected of it."""
        return any(each.is_member and each.standing.rank is Rank.GOOD for each in self._servers.values())

    async def decided(self) -> None:
        """Return when a server can be asked, or none is to be expected; after two seconds whatever is known."""
        deadline = asyncio.get_running_loop().time() + _FIRST_WORD_SECONDS
        while self._may_come and not self._candidates(()):
            self._news.clear()
            try:
                async with asyncio.timeout_at(deadline):
                    await self._news.wait()
            except TimeoutError:
                return

    def is_to_be_left(self, server: Server[C]) -> bool:
        """Whether its calls are to go elsewhere, as soon as they can."""
        leaves = server.standing.state is State.DRAINING or not server.is_member
        return leaves and self.has_choice((server.address,))

    def began(self, lease: Lease[C]) -> None:
        """A lease counts."""
        self._leases.add(lease)

    def ended(self, lease: Lease[C]) -> None:
        """It counts no more."""
        self._leases.discard(lease)
        self._forget(lease.server)

    def _candidates(self, avoid: Collection[str]) -> list[Server[C]]:
        """Those that serve, without those that are suspect, or have too much to do, where there are others."""
        found = [
            each
            for each in self._servers.values()
            if each.standing.rank is not Rank.NO_USE and each.is_member and each.address not in avoid
        ]
        good = [each for each in found if each.standing.rank is Rank.GOOD] or found
        return [each for each in good if not each.is_slow] or good

    @property
    def work(self) -> PartLoad | None:
        """How much the server has to do that has the least; None: none takes calls."""
        loads = [each.work(self.hop) for each in self._candidates(())]
        return min(loads, key=lambda each: (each.is_full, each.busy), default=None)

    @property
    def _may_come(self) -> bool:
        """Something was asked whether it serves, and has not answered yet."""
        unknown = any(each.standing.state is State.UNKNOWN for each in self._servers.values())
        return unknown or not self._discovery.is_complete

    def _found(self) -> None:
        """Be in touch with those that there are, and leave those that are gone."""
        members = self._discovery.roster.members()
        for server in list(self._servers.values()):
            server.is_member = server.address in members
            self._forget(server)
        for address, origin in members.items():
            if address not in self._servers:
                self._meet(address, origin)
        self._settle()

    def _meet(self, address: str, origin: Origin) -> None:
        try:
            contact = self._config.connect(address, origin)
        except ParleyError as error:
            if not self._servers:
                raise
            # Certificates that are just being replaced, say: it is tried again when DNS has answered next.
            _log.warning("%s server %s cannot be asked: %s", self.hop, address, error)
            return
        server = Server(address, contact, self._changed, self._chance)
        self._servers[address] = server
        server.task = self._tasks.create_task(server.follow(), name=f"{self.hop} {address}")

    def _forget(self, server: Server[C]) -> None:
        """Leave a server that is not named any more, and has no calls."""
        if server.is_member or server.load or self._servers.get(server.address) is not server:
            return
        del self._servers[server.address]
        if self._told.pop(server.address, None) is not None:
            _log.info("%s server %s is gone, %s", self.hop, server.address, self._rest())
        if server.task is not None:
            server.task.cancel()

    def _changed(self, server: Server[C]) -> None:
        state, before = server.standing.state, self._told.get(server.address)
        if self._servers.get(server.address) is server and state is not before:
            self._tell(server, state, before)
        self._settle()

    def _tell(self, server: Server[C], state: State, before: State | None) -> None:
        """Say what has become of a server; of one that never served, nothing."""
        if state is State.SERVING:
            _log.info("%s server %s joins, %s", self.hop, server.address, self._rest())
        elif before is None:
            return
        elif state is State.DRAINING:
            _log.info("%s server %s drains with %d calls, %s", self.hop, server.address, server.load, self._rest())
        elif before is State.DRAINING:
            _log.info("%s server %s has ended, %s", self.hop, server.address, self._rest())
        else:
            _log.warning("%s server %s is lost, %s: %s", self.hop, server.address, self._rest(), server.standing.reason)
        if state is State.LOST:
            self._discovery.hasten()
        self._told[server.address] = state

    def _rest(self) -> str:
        serving = sum(each.standing.state is State.SERVING for each in self._servers.values())
        return f"{serving} of {len(self._servers)} serve"

    def _is_dead(self, address: str) -> bool:
        server = self._servers.get(address)
        return server is None or server.standing.state is not State.SERVING

    def _settle(self) -> None:
        """Wake who waits for a server, and tell calls that can go elsewhere."""
        self._news.set()
        for lease in self._leases:
            if lease.leave is not None and not lease.is_told and lease.is_to_be_left:
                lease.is_told = True
                seconds = self._chance.uniform(0, _LEAVE_WITHIN_SECONDS)
                asyncio.get_running_loop().call_later(seconds, self._send_away, lease)

    def _send_away(self, lease: Lease[C]) -> None:
        if lease not in self._leases:
            return
        lease.is_told = lease.is_to_be_left
        if lease.is_told and lease.leave is not None:
            lease.leave()


@asynccontextmanager
async def open_pool(config: PoolConfig[C]) -> AsyncIterator[Pool[C]]:
    """A pool as a block; its channels close with it."""
    try:
        async with asyncio.TaskGroup() as tasks:
            pool = Pool(config, tasks)
            looking = pool.begin()
            try:
                yield pool
            finally:
                for task in looking:
                    await end(task)
                await pool.close()
    except BaseExceptionGroup as group:
        raise first_of(group) from None
