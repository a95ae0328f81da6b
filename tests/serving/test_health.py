"""Health over a real port: who is there, who is ready, and who watches."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import grpc.aio
import pytest
from grpc_health.v1.health_pb2 import HealthCheckResponse

from tests.serving.rig import SERVICE, running

if TYPE_CHECKING:
    from tests.serving.rig import Watch


async def next_status(watch: Watch) -> int:
    async with asyncio.timeout(5):
        answer = await watch.read()
    assert isinstance(answer, HealthCheckResponse)
    return int(answer.status)


async def test_a_process_is_there_at_once_and_its_service_when_it_is_ready() -> None:
    async with running(0) as server:
        assert await server.client.check("") == HealthCheckResponse.SERVING
        assert await server.client.check(SERVICE) == HealthCheckResponse.NOT_SERVING
        await server.ready()
        assert await server.client.check(SERVICE) == HealthCheckResponse.SERVING


async def test_a_service_that_is_not_here_is_not_found() -> None:
    async with running(0) as server:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await server.client.check("parley.v1.Other")
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        assert await next_status(server.client.watch("parley.v1.Other")) == HealthCheckResponse.SERVICE_UNKNOWN


async def test_everyone_who_watches_is_told_also_when_another_has_left() -> None:
    async with running(0) as server:
        first, second = server.client.watch(SERVICE), server.client.watch(SERVICE)
        assert await next_status(first) == HealthCheckResponse.NOT_SERVING
        assert await next_status(second) == HealthCheckResponse.NOT_SERVING
        first.cancel()
        await first.code()
        third = server.client.watch(SERVICE)
        assert await next_status(third) == HealthCheckResponse.NOT_SERVING
        await server.ready()
        assert await next_status(second) == HealthCheckResponse.SERVING
        assert await next_status(third) == HealthCheckResponse.SERVING


async def test_who_watches_is_told_that_the_server_drains_and_does_not_hold_it_up() -> None:
    async with running(30) as server:
        await server.ready()
        watches = [server.client.watch(SERVICE) for _ in range(2)]
        for watch in watches:
            assert await next_status(watch) == HealthCheckResponse.SERVING
        async with asyncio.timeout(5):
            await server.drain()
        for watch in watches:
            assert await next_status(watch) == HealthCheckResponse.NOT_SERVING


async def test_a_process_that_drains_is_still_there_so_that_nobody_kills_it_for_it() -> None:
    async with running(30) as server:
        await server.ready()
        watch = server.client.watch("")
        assert await next_status(watch) == HealthCheckResponse.SERVING
        async with asyncio.timeout(5):
            await server.drain()
            # It is let go, and was told of no change.
            assert await watch.read() is grpc.aio.EOF
