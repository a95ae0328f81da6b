"""What the servers tell of themselves, asked anew every second at most, and only when somebody looks.

A server that is away, or that hangs, is shown as away with the reason, and holds up nobody for longer than a second.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from parley.errors import DeadlinePassed, EngineFailed, ParleyError
from parley.status import StatusClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from parley._tls import Tls
    from parley.status import ServerStatus

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


@dataclass(frozen=True, slots=True)
class Server:
    """A server to be asked."""

    name: str
    """asr, llm or tts; several may have one name."""
    address: str
    """Where it is."""
    client: StatusClient
    """Asks it."""


class ServerFacts:
    """The servers behind one gateway."""

    def __init__(self, servers: Sequence[Server], patience_seconds: float = _PATIENCE_SECONDS) -> None:
        """Ask these servers, and wait for none longer than that."""
        self._servers = servers
        self._patience_seconds = patience_seconds
        self._answers: tuple[Answer, ...] = ()
        self._until_seconds = 0.0
        self._asking = asyncio.Lock()

    async def answers(self) -> tuple[Answer, ...]:
        """What each server tells, in the order in which they were named."""
        async with self._asking:
            clock = asyncio.get_running_loop().time
            if clock() >= self._until_seconds:
                async with asyncio.TaskGroup() as tasks:
                    asked = [tasks.create_task(self._ask(each), name="server status") for each in self._servers]
                self._answers = tuple(each.result() for each in asked)
                self._until_seconds = clock() + _BELIEVED_SECONDS
            return self._answers

    async def _ask(self, server: Server) -> Answer:
        state = "away"
        try:
            async with asyncio.timeout(self._patience_seconds):
                return Answer(server.name, server.address, await server.client.ask(self._patience_seconds))
        except EngineFailed:
            state, reason = "unknown", "the server does not tell of itself: it may be of an older version"
        except (TimeoutError, DeadlinePassed):
            reason = f"no answer within {self._patience_seconds:g} s"
        except ParleyError as error:
            reason = str(error)
        return Answer(server.name, server.address, state=state, reason=reason)


@asynccontextmanager
async def facts_of(
    addresses: Sequence[tuple[str, str]], patience_seconds: float = _PATIENCE_SECONDS, *, tls: Tls | None = None
) -> AsyncIterator[ServerFacts]:
    """Facts of servers, each given by its name and address; their channels close with the block.

    Raises:
        InvalidInput: an address cannot be used.
    """
    async with AsyncExitStack() as stack:
        servers = [
            Server(name, address, await stack.enter_async_context(StatusClient(address, name, tls=tls)))
            for name, address in addresses
        ]
        yield ServerFacts(servers, patience_seconds)
