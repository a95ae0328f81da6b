"""What a server tells of itself, over a real port, from its first moment on."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import grpc.aio
import pytest
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from prometheus_client import CollectorRegistry, Gauge, Histogram

from parley.errors import InvalidInput, Unavailable
from parley.status import SERVICE, Distribution, ServerState, StatusClient
from parley.v1 import llm_pb2_grpc
from serving.grpc_server import Listen, started
from serving.status import EngineFacts, StatusServicer
from tests.serving.rig import SERVICE as OWN
from tests.serving.rig import Holding

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable


class Told:
    """A server that tells of itself."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.facts = EngineFacts("rules", "built-in", "")
        self.address = ""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[tuple[StatusClient, Callable[[], Awaitable[None]]]]:
        status = StatusServicer("llm", self.registry, lambda: self.facts, "parley_llm_calls_active")
        listen = Listen("127.0.0.1", 0, "PORT", 0, 5.0, 64 * 1024)

        def register(server: grpc.aio.Server) -> None:
            llm_pb2_grpc.add_LlmServiceServicer_to_server(Holding(), server)

        async with started(OWN, register, listen, status) as (port, ready):
            self.address = f"127.0.0.1:{port}"
            async with StatusClient(f"http://{self.address}", "llm") as client:
                yield client, ready


async def test_a_server_says_that_it_starts_and_then_that_it_serves() -> None:
    told = Told()
    async with told.running() as (client, ready):
        assert (await client.ask()).state is ServerState.STARTING
        await ready()
        status = await client.ask()
    assert (status.service, status.state) == ("llm", ServerState.SERVING)
    assert (status.engine, status.model) == ("rules", "built-in")
    assert status.instance
    assert status.started_unix_ms > 0


async def test_the_figures_are_those_of_the_metrics_and_what_is_not_measured_is_absent() -> None:
    told = Told()
    Gauge("parley_llm_calls_active", "", registry=told.registry).set(2)
    Gauge("parley_queue_depth", "", ["service"], registry=told.registry).labels("llm").set(5)
    Gauge("parley_unrelated", "", registry=told.registry).set(9)
    lag = Histogram("parley_loop_lag_seconds", "", ["service"], buckets=(0.001, 0.01), registry=told.registry)
    lag.labels("llm").observe(0.004)
    told.facts = EngineFacts("openai", "qwen3", "the endpoint does not answer", "words")
    async with told.running() as (client, _):
        status = await client.ask()
    assert (status.calls, status.queue_depth, status.problem) == (2, 5, "the endpoint does not answer")
    assert status.turn_detection == "words"
    assert status.loop_lag_ms is not None
    assert status.loop_lag_ms.count == 1
    assert status.loop_lag_ms.mean == pytest.approx(4.0)
    assert (status.batch_size, status.real_time_factor, status.cancel_to_idle_ms) == (None, None, None)


async def test_a_batch_is_a_whole_number_of_things() -> None:
    told = Told()
    size = Histogram("parley_batch_size", "", ["service"], buckets=(1, 2, 4, 8), registry=told.registry).labels("llm")
    for batch in (1, 1, 1, 3):
        size.observe(batch)
    async with told.running() as (client, _):
        status = await client.ask()
    assert status.batch_size == Distribution(count=4, mean=1.5, p50=1, p95=4)


async def test_whoever_lists_the_services_finds_it() -> None:
    told = Told()
    async with told.running(), grpc.aio.insecure_channel(told.address) as channel:
        # The package's types leave the stub's methods out, and know only channels that block.
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)  # type: ignore[arg-type]
        call = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))  # type: ignore[operator]
        answer = await call.read()
        call.cancel()
    assert SERVICE in {each.name for each in answer.list_services_response.service}


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    async with StatusClient("127.0.0.1:9", "tts") as client:
        with pytest.raises(Unavailable, match="tts server"):
            await client.ask()


@pytest.mark.parametrize("address", ["nowhere", "host:port"])
def test_an_address_that_is_none_is_refused_with_the_remedy(address: str) -> None:
    with pytest.raises(InvalidInput, match="write host:port"):
        StatusClient(address, "asr")
