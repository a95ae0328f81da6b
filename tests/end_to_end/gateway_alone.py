"""A gateway's process without servers behind it: sessions can be held, and nothing said in them is heard."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from parley.conversation import SERVICE
from tests.end_to_end.whole import free_ports

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

DRAIN_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class GatewayProcess:
    """A gateway alone."""

    process: asyncio.subprocess.Process
    http_port: int
    grpc_port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    async def stop(self) -> float:
        """Tell it to stop, and wait until it has heard that; gives when it was told."""
        async with grpc.aio.insecure_channel(f"127.0.0.1:{self.grpc_port}") as channel:
            request = health_pb2.HealthCheckRequest(service=SERVICE)
            statuses = health_pb2_grpc.HealthStub(channel).Watch(request)  # type: ignore[attr-defined]
            assert (await statuses.read()).status == health_pb2.HealthCheckResponse.SERVING
            began = time.monotonic()
            self.process.send_signal(signal.SIGTERM)
            assert (await statuses.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        return began

    async def ended_after(self, began: float) -> float:
        """Seconds from `began` until it has ended."""
        assert await self.process.wait() == 0
        return time.monotonic() - began


@asynccontextmanager
async def gateway_process(**more: str) -> AsyncIterator[GatewayProcess]:
    http_port, grpc_port = free_ports(2)
    settings = {
        "PARLEY_GATEWAY_PORT": str(http_port),
        "PARLEY_GATEWAY_GRPC_PORT": str(grpc_port),
        "PARLEY_DRAIN_SECONDS": str(DRAIN_SECONDS),
        "PARLEY_LOG_LEVEL": "ERROR",
        **{f"PARLEY_{name}_ADDRESS": "127.0.0.1:1" for name in ("ASR", "LLM", "TTS")},
        **more,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "edge_gateway", env={**os.environ, **settings}, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        await _serving(int(settings["PARLEY_GATEWAY_GRPC_PORT"]))
        yield GatewayProcess(process, int(settings["PARLEY_GATEWAY_PORT"]), int(settings["PARLEY_GATEWAY_GRPC_PORT"]))
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _serving(port: int) -> None:
    request = health_pb2.HealthCheckRequest(service=SERVICE)
    async with asyncio.timeout(30), grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        while True:
            answer = await health_pb2_grpc.HealthStub(channel).Check(request, wait_for_ready=True)  # type: ignore[attr-defined]
            if answer.status == health_pb2.HealthCheckResponse.SERVING:
                return
