"""A real gateway with real servers behind it, and nobody, somebody or very many in conversation."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Final

from parley.conversation import TurnReport, UserText
from tests.edge_gateway.rig import Script, Writer, house, listening

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.edge_gateway.rig import Gateway, Listener

TRACES: Final = "https://grafana.example/explore?trace={trace_id}"
MOST: Final = 200
# Of the many, so many speak, and the others type: their sound costs more than all else.
_SPEAKERS: Final = 10
_AT_ONCE: Final = 10


@asynccontextmanager
async def conversations(count: int) -> AsyncIterator[Gateway]:
    """A gateway with so many sessions, each of which has had a turn and goes on listening."""
    script = Script(writer=Writer("It is late. Good night."), max_sessions=500, trace_url=TRACES)
    async with house(script) as parley, AsyncExitStack() as stack:
        listeners = [await stack.enter_async_context(listening(parley)) for _ in range(count)]
        places = asyncio.Semaphore(_AT_ONCE)

        async def turn(at: int, listener: Listener) -> None:
            async with places:
                if at < _SPEAKERS:
                    await listener.say_something()
                else:
                    await listener.send(UserText("and now?"))
                await listener.until(TurnReport)

        async with asyncio.TaskGroup() as turns:
            for at, listener in enumerate(listeners):
                turns.create_task(turn(at, listener))
        async with asyncio.TaskGroup() as tasks:
            staying = [tasks.create_task(_listen_on(each)) for each in listeners]
            yield parley
            for each in staying:
                each.cancel()


async def _listen_on(listener: Listener) -> None:
    """Who reads nothing is taken for gone after a while."""
    while True:
        await listener.next()
