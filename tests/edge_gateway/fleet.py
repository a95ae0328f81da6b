"""Several ASR, LLM and TTS servers behind one gateway, all real, each on a loopback address of its own."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.edge_gateway.rig import PATIENCE_SECONDS, SILENCE, Script, gateway, serve_asr, serve_llm, serve_tts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from edge_gateway.servers.pool import Pool
    from tests.edge_gateway.rig import Gateway, Listener

_LOOK_SECONDS = 0.02
# Longer than anything takes on a machine that is very busy.
_PATIENCE_SECONDS = 6 * PATIENCE_SECONDS
SERVE = {"asr": serve_asr, "llm": serve_llm, "tts": serve_tts}


@dataclass(slots=True)
class Member:
    """One server."""

    hop: str
    script: Script
    address: str = ""
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def start(self, port: int = 0) -> None:
        """Serve; at a port that it had before, its address stays the same."""
        self.address = await SERVE[self.hop](self.stack, self.script, port)

    async def stop(self) -> None:
        """Be told to stop, and return when it has."""
        await self.stack.aclose()

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])


@dataclass(slots=True)
class Fleet:
    """Servers, and the gateway before them."""

    members: list[Member]
    parley: Gateway

    def of(self, hop: str) -> list[Member]:
        return [each for each in self.members if each.hop == hop]

    def loads(self, hop: str) -> dict[str, int]:
        """Calls of the gateway at each server of a service."""
        return {server.address: server.load for server in self.pool(hop).servers}

    def standings(self, hop: str) -> list[str]:
        """What the gateway takes the servers of a service to be."""
        return [server.standing.state.value for server in self.pool(hop).servers]

    def pool(self, hop: str) -> Pool[Any]:
        """The servers of a service as the gateway has them."""
        [pool] = [pool for pool in self.parley.pools.all if pool.hop == hop]
        return pool

    async def serves(self, hop: str, count: int) -> None:
        """Return when the gateway takes so many servers of a service to serve."""
        await until(lambda: self.standings(hop).count("serving") == count)


async def until(condition: Callable[[], bool], speaking: Listener | None = None) -> None:
    """Return when a condition holds that real servers bring about; somebody may be speaking all the while."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while not condition():
            if speaking is not None:
                # As fast as time at most: a turn has an end.
                await speaking.speak(_LOOK_SECONDS)
            looked = asyncio.Event()
            loop.call_later(_LOOK_SECONDS, looked.set)
            await looked.wait()


async def heard(parley: Gateway, listener: Listener) -> None:
    """Open a listener's microphone: their session has a stream to an ASR server then."""

    def streams() -> int:
        return sum(each.load for each in parley.pools.asr.servers)

    before = streams()
    await listener.speak(0.02, SILENCE)
    await until(lambda: streams() > before)


@asynccontextmanager
async def fleet(
    counts: dict[str, int], script: Callable[[str, int], Script], front: Script | None = None
) -> AsyncIterator[Fleet]:
    """So many servers of each service, and a gateway that knows all their addresses; `script` is theirs."""
    members = [Member(hop, script(hop, number)) for hop, count in counts.items() for number in range(count)]
    async with AsyncExitStack() as stack:
        for place, member in enumerate(members):
            member.script.host = f"127.0.0.{2 + place}"
            stack.push_async_callback(member.stop)
            await member.start()
        addresses = {hop: ",".join(each.address for each in members if each.hop == hop) for hop in counts}
        front = front or Script(max_sessions=100)
        parley = await stack.enter_async_context(gateway(front, (addresses["asr"], addresses["llm"], addresses["tts"])))
        house = Fleet(members, parley)
        for hop, count in counts.items():
            await house.serves(hop, count)
        yield house
