"""How a server ends: nobody is let in from that moment on, who is in may finish, and it does not take longer."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import grpc.aio
import pytest
from prometheus_client import CollectorRegistry

from parley._duplex import first_of
from parley.errors import Unavailable, WrongState, from_rpc
from parley.v1 import llm_pb2, llm_pb2_grpc
from serving.call_status import statuses
from serving.grpc_server import Listen, StartError, serve
from serving.telemetry import Telemetry, new_provider
from tests.serving.rig import SERVICE, Client, Holding, running

if TYPE_CHECKING:
    from collections.abc import AsyncIterable

REPOSITORY = Path(__file__).resolve().parents[2]


# A call that arrives in the very moment in which the server begins to stop is cancelled by it; `from_rpc` takes both
# for Unavailable.
REFUSALS = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}


async def refusal(client: Client) -> grpc.StatusCode:
    """How a call ends that must not be let in."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        async with asyncio.timeout(5):
            await client.begin()
    return caught.value.code()


async def test_a_server_that_drains_lets_nobody_in_and_who_is_in_finish() -> None:
    async with running(30) as server, asyncio.TaskGroup() as tasks:
        call = await server.client.begin()
        draining = tasks.create_task(server.drain())
        await asyncio.sleep(0)
        assert await refusal(server.client) in REFUSALS
        assert not draining.done()
        server.servicer.let_go.set()
        answer = await call.read()
        assert isinstance(answer, llm_pb2.ChatResponse)
        assert answer.WhichOneof("response") == "finished"
        async with asyncio.timeout(5):
            await draining


async def test_who_does_not_finish_is_broken_off_when_the_time_is_over() -> None:
    async with running(0.2) as server:
        call = await server.client.begin()
        began = time.monotonic()
        await server.drain()
        took = time.monotonic() - began
        assert await call.code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
    assert 0.2 <= took <= 1.2


async def test_told_to_stop_a_process_lets_nobody_in_and_drains_what_came_another_way_meanwhile(
    unused_tcp_port: int,
) -> None:
    servicer, ready, draining = Holding(), asyncio.Event(), asyncio.Event()

    def register(server: grpc.aio.Server) -> None:
        llm_pb2_grpc.add_LlmServiceServicer_to_server(servicer, server)

    async def load() -> None:
        ready.set()

    async def drain() -> None:
        draining.set()
        await servicer.let_go.wait()

    listen = Listen("127.0.0.1", unused_tcp_port, "PORT", 0, 30, 64 * 1024)
    telemetry = Telemetry(new_provider("test"), CollectorRegistry())
    async with asyncio.TaskGroup() as tasks, grpc.aio.insecure_channel(f"127.0.0.1:{unused_tcp_port}") as channel:
        serving = tasks.create_task(serve(SERVICE, register, listen, load=load, telemetry=telemetry, drain=drain))
        await ready.wait()
        client = Client(channel)
        call = await client.begin()
        os.kill(os.getpid(), signal.SIGTERM)
        async with asyncio.timeout(5):
            # The call is still there, and the other drain has begun.
            await draining.wait()
            assert await refusal(client) in REFUSALS
            servicer.let_go.set()
            assert isinstance(await call.read(), llm_pb2.ChatResponse)
            await serving


async def test_no_garbage_collection_goes_through_what_was_loaded(unused_tcp_port: int) -> None:
    loaded: list[object] = []
    ready = asyncio.Event()

    async def load() -> None:
        loaded.extend([each] for each in range(100))
        ready.set()

    telemetry = Telemetry(new_provider("test"), CollectorRegistry())
    listen = Listen("127.0.0.1", unused_tcp_port, "PORT", 0, 30, 64 * 1024)
    try:
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(serve(SERVICE, lambda _: None, listen, load=load, telemetry=telemetry))
            await ready.wait()
            later: list[object] = [[]]
            collected = {id(each) for each in gc.get_objects()}
            assert not collected & {id(each) for each in loaded}
            assert id(later) in collected
            os.kill(os.getpid(), signal.SIGTERM)
            await serving
    finally:
        gc.unfreeze()


async def test_what_keeps_a_process_from_starting_is_raised_as_it_is(unused_tcp_port: int) -> None:
    async def load() -> None:
        raise Unavailable("no model there")

    telemetry = Telemetry(new_provider("test"), CollectorRegistry())
    listen = Listen("127.0.0.1", unused_tcp_port, "PARLEY_PORT", 0, 30, 64 * 1024)
    async with asyncio.timeout(5):
        with pytest.raises(Unavailable, match="no model there"):
            await serve(SERVICE, lambda _: None, listen, load=load, telemetry=telemetry)
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", unused_tcp_port))
            taken.listen()
            with pytest.raises(StartError, match=rf"port {unused_tcp_port} on 127\.0\.0\.1 is taken.*PARLEY_PORT"):
                await serve(SERVICE, lambda _: None, listen, load=load, telemetry=telemetry)


class Breaking(Holding):
    """Fails while a message is on its way."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = 0

    async def Chat(  # type: ignore[override]  # noqa: N802
        self,
        request_iterator: AsyncIterable[llm_pb2.ChatRequest],
        context: grpc.aio.ServicerContext[llm_pb2.ChatRequest, llm_pb2.ChatResponse],
    ) -> None:
        del request_iterator
        self.steps += 1
        async with statuses(context):
            await context.write(llm_pb2.ChatResponse(ready=llm_pb2.ChatReady()))
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self.flood(context))
                    for _ in range(self.steps % 13):
                        await asyncio.sleep(0)
                    raise WrongState("that was too much", field="a.field")
            except BaseExceptionGroup as group:
                raise first_of(group) from None

    async def flood(self, context: grpc.aio.ServicerContext[llm_pb2.ChatRequest, llm_pb2.ChatResponse]) -> None:
        while True:
            await context.write(llm_pb2.ChatResponse(delta=llm_pb2.TextDelta(text="word")))


async def test_a_failure_that_cuts_a_message_short_reaches_the_caller_with_its_words() -> None:
    async with running(0, Breaking()) as server:
        for _ in range(52):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                async with asyncio.timeout(5):
                    call = await server.client.begin()
                    while isinstance(await call.read(), llm_pb2.ChatResponse):
                        pass
            error = from_rpc(caught.value, "llm")
            assert (type(error), str(error), error.field) == (WrongState, "that was too much", "a.field")


SPAN = """
import time
from serving.telemetry import open_telemetry
with open_telemetry("test", "ERROR") as telemetry:
    telemetry.tracer.start_span("last").end()
    left = time.monotonic()
print(time.monotonic() - left)
"""


def test_a_collector_that_is_away_does_not_hold_up_the_end() -> None:
    environment = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}
    ended = subprocess.run(
        [sys.executable, "-c", SPAN],
        env=environment,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    # By itself the library asks the collector again for more than 7 seconds.
    assert float(ended.stdout) <= 3
