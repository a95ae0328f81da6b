"""Several processes of a kind behind a gateway: one is stopped in the middle of a turn, one is killed, none missed."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from parley.conversation import ErrorEvent, Outcome, SessionConfig, SessionReady, TurnReport, UserSpeechStarted
from parley_cli.client import open_websocket
from tests.edge_gateway.rig import SILENCE, Listener
from tests.end_to_end.replicas import Replica, Replicas, open_replicas

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PATIENCE_SECONDS = 60


@asynccontextmanager
async def session(house: Replicas) -> AsyncIterator[Listener]:
    async with open_websocket(house.url) as socket:
        listener = Listener(socket)
        await listener.send(SessionConfig())
        await listener.until(SessionReady)
        yield listener


async def begin_to_speak(listener: Listener) -> None:
    await listener.speak(0.2, SILENCE)
    await listener.speak(0.8)
    await listener.until(UserSpeechStarted)


async def finish(listener: Listener, turn: int) -> None:
    await listener.speak(1.4, SILENCE)
    report = await listener.until(TurnReport)
    assert (report.turn, report.outcome, report.transcript) == (turn, Outcome.COMPLETED, "what time is it")


async def server_of_the_session(house: Replicas) -> Replica:
    servers = await house.servers("asr")
    [found] = [each for each in house.of("asr_server") if servers[each.address]["in_flight"]]
    return found


@pytest.mark.timeout(180)
async def test_a_server_that_is_stopped_and_one_that_is_killed_in_a_turn_cut_none() -> None:
    async with open_replicas(2, 1, 1) as house, asyncio.timeout(PATIENCE_SECONDS), session(house) as listener:
        await begin_to_speak(listener)
        first = await server_of_the_session(house)
        first.tell_to_stop()
        await finish(listener, 1)
        # It has ended by itself, long before it would have had to, since the session has left it.
        assert await first.ended() == 0
        second = await server_of_the_session(house)
        assert second is not first
        await first.start()
        while (await house.servers("asr"))[first.address]["health"] != "serving":
            pass
        await begin_to_speak(listener)
        await second.kill()
        await finish(listener, 2)
        assert await server_of_the_session(house) is first
        await begin_to_speak(listener)
        await finish(listener, 3)
        assert [event for event in listener.events if isinstance(event, ErrorEvent)] == []
