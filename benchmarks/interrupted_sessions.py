"""Sessions that interruptions cost, and what each leaves behind in the gateway's memory, over both transports.

A real gateway, and scripted servers behind it, each a process of its own. In one session after the other a reply is
asked for, listened to for some packets, and interrupted by the next question, while what is sent ahead is on its way.
Told are the sessions that were lost, and the slope of the gateway's resident memory from reply 200 on, in a process
that has had as many replies over each transport before.
Run it with the package installed, on Linux: `python benchmarks/interrupted_sessions.py [--replies 500]`.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import socket
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import grpc.aio
import numpy as np
from grpc_health.v1 import health_pb2, health_pb2_grpc

from parley.conversation import (
    AudioFormat,
    AudioPacket,
    Conversation,
    Encoding,
    ReplyFinished,
    SessionConfig,
    UserText,
    connect,
)
from parley.errors import ParleyError
from parley_cli.client import converse
from parley_cli.processes import PROCESSES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    from parley_cli.processes import Process

WARM: Final = 200
"""Replies after which the slope is taken: until then pools and caches fill."""
MOST_PACKETS: Final = 20
"""Packets that a reply is listened to, at most: as many as are sent ahead at once."""
PATIENCE_SECONDS: Final = 10.0
# Large packets, so that a write is in flight most of the time.
CONFIG: Final = SessionConfig(output=AudioFormat(Encoding.PCM_S16LE, 48_000))
SETTINGS: Final = {
    "PARLEY_ASR_ENGINE": "scripted",
    "PARLEY_LLM_ENGINE": "scripted",
    "PARLEY_TTS_ENGINE": "scripted",
    "PARLEY_SCRIPTED_LLM_TEXT": "Once upon a time there was a very long story. " * 5,
    "PARLEY_LOG_LEVEL": "ERROR",
}


@dataclass(frozen=True, slots=True)
class House:
    """Four processes, of which the gateway is looked at."""

    ports: dict[str, int]
    gateway: int
    """Its process."""

    def over_grpc(self) -> AbstractAsyncContextManager[Conversation]:
        return connect(f"127.0.0.1:{self.ports['PARLEY_GATEWAY_GRPC_PORT']}", CONFIG)

    @asynccontextmanager
    async def over_websocket(self) -> AsyncIterator[Conversation]:
        async with converse(f"http://127.0.0.1:{self.ports['PARLEY_GATEWAY_PORT']}") as conversation:
            await conversation.configure(CONFIG)
            yield conversation

    def resident_kb(self) -> float:
        return int(Path(f"/proc/{self.gateway}/statm").read_text(encoding="ascii").split()[1]) * 4.0


@asynccontextmanager
async def running(process: Process, environment: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    child = await asyncio.create_subprocess_exec(sys.executable, "-m", process.module, env=environment)
    try:
        await serving(int(environment[process.port_variables[0][0]]), process.service)
        yield child
    finally:
        child.terminate()
        await child.wait()


async def serving(port: int, service: str) -> None:
    request = health_pb2.HealthCheckRequest(service=service)
    async with asyncio.timeout(60), grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        while True:
            answer = await health_pb2_grpc.HealthStub(channel).Check(request, wait_for_ready=True)  # type: ignore[attr-defined]
            if answer.status == health_pb2.HealthCheckResponse.SERVING:
                return


@asynccontextmanager
async def house() -> AsyncIterator[House]:
    variables = [name for process in PROCESSES for name, _ in process.port_variables]
    ports = dict(zip(variables, free_ports(len(variables)), strict=True))
    addresses = {
        f"PARLEY_{name}_ADDRESS": f"127.0.0.1:{ports[f'PARLEY_{name}_PORT']}" for name in ("ASR", "LLM", "TTS")
    }
    environment = {**os.environ, **SETTINGS, **addresses, **{name: str(port) for name, port in ports.items()}}
    async with AsyncExitStack() as stack:
        *_, gateway = [await stack.enter_async_context(running(process, environment)) for process in PROCESSES]
        yield House(ports, gateway.pid)


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


async def interrupt(conversation: Conversation, number: int, packets: int) -> None:
    """Ask, and listen to some packets of the reply, which is the `number`th of its session."""
    await conversation.send(UserText("and then?"))
    async with asyncio.timeout(PATIENCE_SECONDS):
        heard = 0
        async for event in conversation:
            heard += isinstance(event, AudioPacket) and event.reply == number
            if heard >= packets:
                return


async def interrupted(
    house: House, open_session: Callable[[], AbstractAsyncContextManager[Conversation]], replies: int
) -> tuple[int, list[float]]:
    """Sessions lost, and the gateway's resident memory after each reply."""
    chance = random.Random(1)  # noqa: S311 - moments, not secrets
    lost, resident = 0, list[float]()
    while len(resident) < replies:
        try:
            async with open_session() as conversation:
                for number in range(1, replies - len(resident) + 1):
                    await interrupt(conversation, number, chance.randint(1, MOST_PACKETS))
                    resident.append(house.resident_kb())
                await conversation.send(UserText("the end"))
                async for event in conversation:
                    if isinstance(event, ReplyFinished):
                        break
        except (ParleyError, TimeoutError) as error:
            print(f"lost after {len(resident)} replies: {error!r}", file=sys.stderr)
            lost += 1
            resident.append(house.resident_kb())
    return lost, resident


async def measure(replies: int) -> None:
    async with house() as parley:
        transports = (("WebSocket", parley.over_websocket), ("gRPC", parley.over_grpc))
        for _, open_session in transports:
            await interrupted(parley, open_session, WARM)
        for name, open_session in transports:
            lost, resident = await interrupted(parley, open_session, replies)
            late = np.arange(WARM, replies)
            slope = np.polyfit(late, resident[WARM:], 1)[0]
            print(
                f"{name:<10}{replies} interrupted replies: {lost} sessions lost; the gateway's resident memory "
                f"{resident[WARM] / 1024:.1f} MB after {WARM}, {resident[-1] / 1024:.1f} MB at the end, "
                f"{slope:+.2f} KB a reply"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replies", type=int, default=500)
    asyncio.run(measure(parser.parse_args().replies))


if __name__ == "__main__":
    main()
