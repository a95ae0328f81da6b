"""To open a session costs little, and to hold one in which nothing happens: no stream, no timer, two own tasks."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from asr_server.service import AsrServicer
from edge_gateway.session import Session
from parley.conversation import (
    ErrorEvent,
    Outcome,
    Ping,
    SessionConfig,
    SessionReady,
    TurnReport,
    UserText,
)
from tests.edge_gateway.fleet import heard, until
from tests.edge_gateway.rig import (
    Gateway,
    Script,
    connected,
    gateway,
    listening,
    serve_asr,
    serve_llm,
    serve_tts,
)
from tests.edge_gateway.scripted_backends import CONFIG, House, ScriptedClient
from tests.virtual_time import StalledError, on_virtual_time, passed
from tests.virtual_time import run as run_virtually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from asr_server.service import Context, Requests

SESSIONS = 5
# Of a session; aiohttp has two more, for its connection and its request.
OWN_TASKS = ("conduct", "read")


class Opened(AsrServicer):
    """An ASR server that counts the streams that were opened."""

    count = 0

    async def Transcribe(self, request_iterator: Requests, context: Context) -> None:  # type: ignore[override]  # noqa: N802 - as its own
        Opened.count += 1
        await super().Transcribe(request_iterator, context)


@asynccontextmanager
async def counting() -> AsyncIterator[tuple[Gateway, AsyncExitStack]]:
    """A gateway whose ASR server counts, and what holds that server."""
    script, Opened.count = Script(), 0
    async with AsyncExitStack() as stack, AsyncExitStack() as server:
        address = await serve_asr(server, script, make_servicer=Opened)
        others = await serve_llm(stack, script), await serve_tts(stack, script)
        yield await stack.enter_async_context(gateway(script, (address, *others))), server


def streams(parley: Gateway) -> int:
    return sum(server.load for server in parley.pools.asr.servers)


async def test_sessions_that_are_alike_ask_the_asr_server_once_and_hold_no_stream() -> None:
    loop = asyncio.get_running_loop()
    async with counting() as (parley, _), AsyncExitStack() as stack:
        began = loop.time()
        for _ in range(SESSIONS):
            await stack.enter_async_context(listening(parley))
        await until(lambda: streams(parley) == 0)
        # Each ten seconds anew, on a machine that is as slow as that.
        assert 1 <= Opened.count <= 1 + (loop.time() - began) // 10
        before = Opened.count
        await stack.enter_async_context(listening(parley, SessionConfig(hints=("Parley",))))
        assert Opened.count == before + 1


async def test_who_was_silent_is_heard_from_the_first_word_on() -> None:
    async with counting() as (parley, _), listening(parley), listening(parley) as second:
        await until(lambda: streams(parley) == 0)
        await second.say_something()
        report = await second.until(TurnReport)
        assert (report.transcript, report.outcome) == ("what time is it", Outcome.COMPLETED)
        assert streams(parley) == 1


async def test_idle_sessions_have_no_tasks_but_those_that_read_and_decide() -> None:
    async with counting() as (parley, _), AsyncExitStack() as stack:
        await stack.enter_async_context(listening(parley))
        await until(lambda: streams(parley) == 0)
        await until(lambda: ours(names()).keys() >= set(OWN_TASKS) and not names()["recognition"])
        before = names()
        for _ in range(SESSIONS):
            await stack.enter_async_context(listening(parley))
        # The rest have no names of ours: those of aiohttp, on the gateway's side and on the clients'.
        await until(lambda: ours(names() - before) == dict.fromkeys(OWN_TASKS, SESSIONS))


def names() -> Counter[str]:
    return Counter(task.get_name() for task in asyncio.all_tasks())


def ours(tasks: Counter[str]) -> dict[str, int]:
    return {name: count for name, count in tasks.items() if not name.startswith("Task-")}


def test_no_timer_wakes_a_session_in_which_nothing_happens() -> None:
    async def idle() -> None:
        client = ScriptedClient()
        client.ask(CONFIG)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(Session(client, House().backends()).run())
            await passed(1)
            assert any(isinstance(event, SessionReady) for event in client.events)
            # Until something happens, which never does.
            await asyncio.Event().wait()

    with pytest.raises(StalledError):
        run_virtually(idle())


@on_virtual_time
async def test_a_client_is_pinged_while_it_says_something() -> None:
    client = ScriptedClient()
    client.ask(CONFIG)

    def pings() -> int:
        return sum(isinstance(event, Ping) for event in client.events)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(Session(client, House().backends()).run())
        await passed(3_600)
        assert pings() == 1
        for _ in range(500):
            client.speak(1, level=0)
            await passed(0.02)
        # Four more for the clock to be known well, and one each five seconds.
        assert pings() == 6
        await passed(3_600)
        assert pings() == 8
        client.ask(UserText("are you there"))
        await passed(1)
        assert pings() == 9
        client.leave(half_closed=False)


async def test_a_session_that_opens_while_the_asr_server_is_away_is_told_though_others_were_taken() -> None:
    async with counting() as (parley, server):
        async with listening(parley):
            await until(lambda: streams(parley) == 0)
        await server.aclose()
        async with connected(parley) as listener:
            await listener.send(SessionConfig())
            error = await listener.until(ErrorEvent)
            assert error.hop == "asr"


async def test_what_the_asr_server_refuses_is_told_to_each_session_before_its_first_word() -> None:
    async with counting() as (parley, _):
        for _ in range(2):
            async with connected(parley) as listener:
                await listener.send(SessionConfig(language="tlh"))
                error = await listener.until(ErrorEvent)
                assert error.hop == "asr"
                assert "tlh" in error.message


async def test_a_stream_that_was_opened_by_sound_stays_while_nobody_speaks() -> None:
    async with counting() as (parley, _), listening(parley) as listener:
        await heard(parley, listener)
        await listener.send(UserText("hello"))
        await listener.until(TurnReport)
        assert streams(parley) == 1


@on_virtual_time
async def test_voices_that_are_known_are_not_asked_for_and_others_are() -> None:
    house, clients = House(), []
    backends = house.backends()
    async with asyncio.TaskGroup() as tasks:
        for voice in ("tone", "tone", "tone", "nobody"):
            client = ScriptedClient()
            client.ask(replace(CONFIG, voice=voice))
            tasks.create_task(Session(client, backends).run())
            await passed(1)
            client.leave(half_closed=False)
            clients.append(client)
    *opened, refused = ([type(event) for event in client.events] for client in clients)
    assert all(SessionReady in events and ErrorEvent not in events for events in opened)
    assert ErrorEvent in refused
    assert house.speaker.asked_for_voices == 2
