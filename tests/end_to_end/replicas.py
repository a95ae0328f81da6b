"""Processes of Parley by the dozen: several servers of each kind, each on a loopback address of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from parley_cli.processes import PROCESSES
from tests.end_to_end.whole import free_ports

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

START_SECONDS: Final = 60
DRAIN_SECONDS: Final = 30
BY_MODULE: Final = {process.module: process for process in PROCESSES}
GATEWAY: Final = "edge_gateway"
SCRIPTED: Final = {
    "PARLEY_ASR_ENGINE": "scripted",
    "PARLEY_LLM_ENGINE": "scripted",
    "PARLEY_TTS_ENGINE": "scripted",
    "PARLEY_SCRIPTED_ASR_TEXTS": "what time is it",
    "PARLEY_SCRIPTED_LLM_TEXT": "It is late.",
    "PARLEY_DRAIN_SECONDS": str(DRAIN_SECONDS),
    "PARLEY_LOG_LEVEL": "ERROR",
}


@dataclass(slots=True)
class Replica:
    """One process, which may be stopped and started again at its address."""

    module: str
    host: str
    settings: dict[str, str]
    process: asyncio.subprocess.Process | None = None
    ports: dict[str, str] = field(init=False)
    """By the variable that sets it; calls come in at the first."""

    def __post_init__(self) -> None:
        variables = [name for name, _ in BY_MODULE[self.module].port_variables]
        ports = free_ports(len(variables))
        self.ports = {name: str(port) for name, port in zip(variables, ports, strict=True)}

    @property
    def address(self) -> str:
        return f"{self.host}:{next(iter(self.ports.values()))}"

    async def start(self) -> None:
        """Return when it serves."""
        host_variable = "GATEWAY" if self.module == GATEWAY else self.module.partition("_")[0].upper()
        own = {f"PARLEY_{host_variable}_HOST": self.host, **self.ports}
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", self.module), env={**os.environ, **SCRIPTED, **own, **self.settings}
        )
        service = BY_MODULE[self.module].service
        async with asyncio.timeout(START_SECONDS), grpc.aio.insecure_channel(self.address) as channel:
            watch = health_pb2_grpc.HealthStub(channel).Watch(  # type: ignore[attr-defined]  # the package leaves it out
                health_pb2.HealthCheckRequest(service=service), wait_for_ready=True
            )
            async for answer in watch:
                if answer.status == health_pb2.HealthCheckResponse.SERVING:
                    return

    def tell_to_stop(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)

    async def ended(self) -> int:
        """Its exit status, once it has ended."""
        assert self.process is not None
        async with asyncio.timeout(2 * DRAIN_SECONDS):
            return await self.process.wait()

    async def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        await self.process.wait()

    async def close(self) -> None:
        if self.process is not None and self.process.returncode is None:
            await self.kill()


@dataclass(frozen=True, slots=True)
class Replicas:
    """A gateway, and several servers of each kind."""

    url: str
    members: tuple[Replica, ...]

    def of(self, module: str) -> list[Replica]:
        return [each for each in self.members if each.module == module]

    async def servers(self, name: str) -> dict[str, dict[str, Any]]:
        """What the gateway's figures have of the servers of a kind, by address."""
        async with aiohttp.ClientSession(self.url) as http, http.get("/stats") as response:
            figures: dict[str, Any] = await response.json()
        return {each["address"]: each for each in figures["servers"] if each["name"] == name}


@asynccontextmanager
async def open_replicas(asr: int, llm: int, tts: int, **settings: str) -> AsyncIterator[Replicas]:
    """So many servers of each kind, all serving, and a gateway before them."""
    counts = {"asr_server": asr, "llm_server": llm, "tts_server": tts}
    modules = [module for module, count in counts.items() for _ in range(count)]
    members = [Replica(module, f"127.0.0.{place}", settings) for place, module in enumerate(modules, 2)]
    addresses = {
        f"PARLEY_{module.partition('_')[0].upper()}_ADDRESS": ",".join(
            each.address for each in members if each.module == module
        )
        for module in counts
    }
    front = Replica(GATEWAY, "127.0.0.1", {**settings, **addresses})
    async with AsyncExitStack() as stack:
        for member in (*members, front):
            stack.push_async_callback(member.close)
        async with asyncio.TaskGroup() as tasks:
            for member in (*members, front):
                tasks.create_task(member.start())
        yield Replicas(f"http://127.0.0.1:{front.ports['PARLEY_GATEWAY_PORT']}", tuple(members))
