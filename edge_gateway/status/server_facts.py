"""What the servers tell of themselves, asked anew every second at most, and only when somebody looks.

A server that is away, or that hangs, is shown as away with the reason, and holds up nobody for longer than a second.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from edge_gateway.servers.standing import State
from parley.errors import DeadlinePassed, EngineFailed, ParleyError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edge_gateway.servers.connect import Pools
    from parley.status import ServerStatus, StatusClient

_BELIEVED_SECONDS: Final = 1.0
_PATIENCE_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Answer:
    """One server, as far as is known."""

    name: str
    """Which server: asr, llm or tts."""
    address: str
    """Where it was asked."""
    status: ServerStatus | None = None
    """What it tells; None: nothing."""
    state: str = ""
    """Why it tells nothing: `away`, or `unknown` where it answers and does not tell."""
    reason: str = ""
    """The same as a sentence for people."""
    health: str = ""
    """What this gateway takes it to be: serving, draining, lost, or unknown."""
    in_flight: int = 0
    """Calls of this gateway that run there."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server to be asked."""

    name: str
    """asr, llm or tts; several may have one name."""
    address: str
    """Where it is."""
    client: StatusClient | None
    """Asks it; None: it was not found."""
    health: str = ""
    """What this gateway takes it to be."""
    in_flight: int = 0
    """Calls of this gateway that run there."""
    reason: str = ""
    """Why it takes no calls."""


class ServerFacts:
    """The servers behind one gateway."""

    def __init__(self, servers: Callable[[], Sequence[Server]], patience_seconds: float = _PATIENCE_SECONDS) -> None:
        """Ask the servers that there are, and wait for none longer than that."""
        self._servers = servers
        self._patience_seconds = patience_seconds
        self._answers: dict[tuple[str, str], Answer] = {}
        self._until_seconds = 0.0
        self._asking = asyncio.Lock()

    async def answers(self) -> tuple[Answer, ...]:
        """What each server tells, in the order in which they were named."""
        async with self._asking:
            clock = asyncio.get_running_loop().time
            if clock() >= self._until_seconds:
                async with asyncio.TaskGroup() as tasks:
                    asked = [tasks.create_task(self._ask(each), name="server status") for each in self._servers()]
                self._answers = {(each.name, each.address): each for each in (task.result() for task in asked)}
                self._until_seconds = clock() + _BELIEVED_SECONDS
            return tuple(map(self._known, self._servers()))

    def _known(self, server: Server) -> Answer:
        """What it told last, and what this gateway knows of it by itself."""
        unasked = Answer(server.name, server.address, state="unknown", reason="it has just been found")
        told = self._answers.get((server.name, server.address), unasked)
        return replace(told, health=server.health, in_flight=server.in_flight)

    async def _ask(self, server: Server) -> Answer:
        known = Answer(server.name, server.address)
        if server.client is None:
            return replace(known, state="away", reason=server.reason)
        state = "away"
        try:
            async with asyncio.timeout(self._patience_seconds):
                return replace(known, status=await server.client.ask(self._patience_seconds))
        except EngineFailed:
            state, reason = "unknown", "the server does not tell of itself: it may be of an older version"
        except (TimeoutError, DeadlinePassed):
            reason = f"no answer within {self._patience_seconds:g} s"
        except ParleyError as error:
            reason = str(error)
        return replace(known, state=state, reason=reason)


def servers_of(pools: Pools) -> list[Server]:
    """Every server that is known, in the order in which a turn comes to them; of a service without, what was named."""
    found = []
    for pool in pools.all:
        found += [
            Server(pool.hop, each.address, each.contact.status, each.standing.state.value, each.load)
            for each in pool.servers
        ]
        if not pool.servers:
            found.append(Server(pool.hop, pool.named, None, State.UNKNOWN.value, reason=pool.why))
    return found
