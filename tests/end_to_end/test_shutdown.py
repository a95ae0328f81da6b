"""A gateway that is told to stop: nobody is let in from then on, who is in may finish, and it ends within its time."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

import aiohttp
import pytest

from parley.conversation import (
    ConversationClient,
    ErrorCode,
    ErrorEvent,
    Event,
    Request,
    SessionConfig,
    SessionReady,
    UserText,
    event_from_json,
)
from parley.errors import Unavailable
from parley_cli.client import converse
from tests.end_to_end.gateway_alone import DRAIN_SECONDS, gateway_process

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

# For the words of farewell and for what a process takes to end.
_SLACK_SECONDS: Final = 2.0


class Program:
    """A session over gRPC that stays until it is sent away, or leaves."""

    def __init__(self) -> None:
        self.ready = asyncio.Event()
        self.leaves = asyncio.Event()
        self.events: list[Event] = []

    async def _requests(self) -> AsyncIterator[Request]:
        yield SessionConfig()
        await self.leaves.wait()

    async def run(self, port: int) -> None:
        async with (
            ConversationClient(f"127.0.0.1:{port}") as client,
            client.converse(self._requests()) as events,
        ):
            async for event in events:
                self.events.append(event)
                if isinstance(event, SessionReady):
                    self.ready.set()


class Page:
    """The same over the WebSocket."""

    def __init__(self) -> None:
        self.ready = asyncio.Event()
        self.events: list[Event] = []

    async def run(self, url: str) -> None:
        async with aiohttp.ClientSession() as http, http.ws_connect(f"{url}/v1/conversation") as socket:
            await socket.send_str('{"configure": {}}')
            async for message in socket:
                event = event_from_json(message.data)
                assert event is not None
                self.events.append(event)
                if isinstance(event, SessionReady):
                    self.ready.set()


def farewells(events: list[Event]) -> list[tuple[ErrorCode, bool]]:
    return [
        (event.code, event.ends_session) for event in events if isinstance(event, ErrorEvent) and event.hop != "asr"
    ]


async def test_nobody_is_let_in_after_the_signal_and_who_stays_is_sent_away_in_time() -> None:
    program, page = Program(), Page()
    async with gateway_process() as gateway, asyncio.timeout(30):
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(program.run(gateway.grpc_port))
            tasks.create_task(page.run(gateway.url))
            await program.ready.wait()
            await page.ready.wait()
            began = await gateway.stop()
            late = Page()
            await late.run(gateway.url)
            refused_after = time.monotonic() - began
            with pytest.raises(Unavailable):
                await Program().run(gateway.grpc_port)
        ended_after = await gateway.ended_after(began)
    assert farewells(late.events) == [(ErrorCode.SHUTTING_DOWN, True)]
    assert not late.ready.is_set()
    assert refused_after < DRAIN_SECONDS
    assert farewells(program.events) == farewells(page.events) == [(ErrorCode.SHUTTING_DOWN, True)]
    assert DRAIN_SECONDS <= ended_after <= DRAIN_SECONDS + _SLACK_SECONDS


async def test_a_gateway_whose_sessions_end_by_themselves_ends_with_the_last_one() -> None:
    program = Program()
    async with gateway_process() as gateway, asyncio.timeout(30):
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(program.run(gateway.grpc_port))
            await program.ready.wait()
            async with converse(gateway.url):
                began = await gateway.stop()
            program.leaves.set()
        ended_after = await gateway.ended_after(began)
    assert farewells(program.events) == []
    assert ended_after < DRAIN_SECONDS


async def test_a_program_that_never_reads_does_not_hold_up_the_end() -> None:
    async with (
        gateway_process() as gateway,
        asyncio.timeout(30),
        ConversationClient(f"127.0.0.1:{gateway.grpc_port}") as client,
        client.open() as deaf,
    ):
        await deaf.configure(SessionConfig())
        # Each is told back, and nobody takes it, until nobody takes what is sent either.
        with pytest.raises(TimeoutError):
            while True:
                async with asyncio.timeout(0.5):
                    await deaf.send(UserText("really? " * 990))
        ended_after = await gateway.ended_after(await gateway.stop())
    assert ended_after <= DRAIN_SECONDS + _SLACK_SECONDS
