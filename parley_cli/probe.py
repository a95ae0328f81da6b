"""Asks a server for its health, as anybody may: `grpc.health.v1`. Knows nothing of what the server is for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from parley._channel import open_plain
from parley.errors import InvalidInput, ParleyError
from parley_cli.processes import tls_at

if TYPE_CHECKING:
    from collections.abc import Mapping

    from parley_cli.processes import Process

_AGAIN_SECONDS: Final = 0.1
_PATIENCE_SECONDS: Final = 10.0
_SERVING: Final = health_pb2.HealthCheckResponse.SERVING


async def until_serving(environment: Mapping[str, str], process: Process) -> None:
    """Return when `process` reports SERVING where it is by an environment, however long that takes."""
    while True:
        try:
            async with _opened(environment, process) as channel:
                await _until_serving(channel, process.service)
                return
        except InvalidInput:
            # Its certificate is just being renewed, or the process itself will say what is wrong with it.
            await asyncio.sleep(_AGAIN_SECONDS)


async def until_listening(host: str, port: int) -> None:
    """Return when something listens there, however long that takes."""
    while True:
        try:
            _, writer = await asyncio.open_connection(host, port)
        except OSError:
            await asyncio.sleep(_AGAIN_SECONDS)
        else:
            writer.close()
            return


async def find_state(environment: Mapping[str, str], process: Process) -> str:
    """What answers where `process` is by an environment: "serving" or "starting" if it is that, else nothing.

    Nothing answers either where the environment's certificates cannot be used.
    """
    request = health_pb2.HealthCheckRequest(service=process.service)
    try:
        async with _opened(environment, process) as channel:
            answer = await health_pb2_grpc.HealthStub(channel).Check(request, timeout=_PATIENCE_SECONDS)  # type: ignore[attr-defined]
    except (grpc.aio.AioRpcError, ParleyError):
        return ""
    return "serving" if answer.status == _SERVING else "starting"


async def _until_serving(channel: grpc.aio.Channel, service: str) -> None:
    request = health_pb2.HealthCheckRequest(service=service)
    while True:
        # The package's types leave the stub's methods out.
        watch = health_pb2_grpc.HealthStub(channel).Watch(request, wait_for_ready=True)  # type: ignore[attr-defined]
        try:
            async for answer in watch:
                if answer.status == _SERVING:
                    return
        except grpc.aio.AioRpcError:
            # It was just going, or it is somebody else.
            pass
        await asyncio.sleep(_AGAIN_SECONDS)


def _opened(environment: Mapping[str, str], process: Process) -> grpc.aio.Channel:
    tls, name = tls_at(environment, process)
    return open_plain(process.address(environment), tls=tls, name=name)
