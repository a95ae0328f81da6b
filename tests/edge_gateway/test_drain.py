"""The gateway stops: who is left is told, and who reads nothing cannot hold it up."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from parley.conversation import ErrorEvent, ReplyStarted, SessionConfig, SessionReady, UserText, error_of
from parley.errors import ShuttingDown
from parley_cli.client import WebSocket
from tests.edge_gateway.program import TRANSPORTS, joined
from tests.edge_gateway.rig import Listener, Script, Writer, house
from tests.edge_gateway.small_window import small_window

LONG = "Once upon a time there was a very long story. It went on and on. And then it went on some more until the end."


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_session_that_is_still_there_is_told_that_the_gateway_shuts_down(transport: str) -> None:
    script = Script(writer=Writer(LONG), character_seconds=0.05)
    async with house(script) as parley, asyncio.TaskGroup() as tasks:
        with pytest.raises(ShuttingDown) as farewell:
            async with joined(parley, transport) as listener:
                await listener.send(UserText("tell me a story"))
                await listener.until(ReplyStarted)
                tasks.create_task(parley.admission.drain(0.2))
                error = await listener.until(ErrorEvent)
                # Over the WebSocket it is an event, which the client of gRPC raises.
                assert (error.hop, error.ends_session) == ("gateway", True)
                raise error_of(error)
        with pytest.raises(ShuttingDown):
            parley.admission.check()
    assert farewell.value.retryable


async def test_a_listener_who_never_reads_does_not_hold_up_the_end() -> None:
    async with (
        house(Script(writer=Writer("No."))) as parley,
        aiohttp.ClientSession(connector=small_window()) as http,
        http.ws_connect(f"{parley.url}/v1/conversation") as raw,
    ):
        deaf = Listener(WebSocket(raw))
        await deaf.send(SessionConfig())
        await deaf.until(SessionReady)
        # Each is told back, and nobody takes it, until nobody takes what is sent either.
        with pytest.raises(TimeoutError):
            while True:
                async with asyncio.timeout(0.5):
                    await deaf.send(UserText("really? " * 990))
        began = asyncio.get_running_loop().time()
        await parley.admission.drain(0.2)
        assert asyncio.get_running_loop().time() - began < 2.0
