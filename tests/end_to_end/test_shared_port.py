"""Several gateways on one port take sessions in equal shares; one that stops sends nobody away."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiohttp

from parley_cli.bench.usage import pages
from parley_cli.shared_port import gateways_at
from tests.end_to_end.gateway_alone import GatewayProcess, gateway_process
from tests.end_to_end.whole import free_ports
from tests.programs import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

SESSIONS = 40
_STOPPING = "the gateway is stopping"


@dataclass(frozen=True, slots=True)
class Shared:
    """Gateways on one port."""

    url: str
    gateways: list[GatewayProcess]
    own_ports: list[int]
    http: aiohttp.ClientSession

    async def sessions(self) -> list[int]:
        """How many each has."""
        return [await self._sessions(port) for port in self.own_ports]

    async def _sessions(self, port: int) -> int:
        async with self.http.get(f"http://127.0.0.1:{port}/metrics") as response:
            found = re.search(r"^parley_sessions_active (\S+)", await response.text(), re.MULTILINE)
        assert found is not None
        return round(float(found[1]))

    async def come(self, count: int) -> list[aiohttp.ClientWebSocketResponse]:
        """So many sessions, all at once, each behind a page that is loaded over a connection of its own."""

        async def one() -> aiohttp.ClientWebSocketResponse:
            async with aiohttp.ClientSession() as browser, browser.get(self.url) as response:
                assert response.status == 200
            socket = await self.http.ws_connect(f"{self.url}/v1/conversation")
            await socket.send_str('{"config":{}}')
            assert _STOPPING not in await socket.receive_str()
            return socket

        async with asyncio.TaskGroup() as tasks:
            coming = [tasks.create_task(one()) for _ in range(count)]
        return [task.result() for task in coming]


@asynccontextmanager
async def shared(folder: Path, count: int) -> AsyncIterator[Shared]:
    """So many gateways."""
    http_port, grpc_port, *own_ports = free_ports(2 + count)
    settings = {
        "PARLEY_GATEWAY_PORT": str(http_port),
        "PARLEY_GATEWAY_GRPC_PORT": str(grpc_port),
        "PARLEY_GATEWAY_REUSE_PORT": "1",
        "PARLEY_MAX_SESSIONS": "500",
        "XDG_RUNTIME_DIR": str(folder),
    }
    connector = aiohttp.TCPConnector(limit=0)
    async with AsyncExitStack() as stack, aiohttp.ClientSession(connector=connector) as http, asyncio.timeout(240):
        gateways = [
            await stack.enter_async_context(gateway_process(**settings, PARLEY_GATEWAY_METRICS_PORT=str(port)))
            for port in own_ports
        ]
        made = Shared(f"http://127.0.0.1:{http_port}", gateways, own_ports, http)

        async def all_listen() -> list[int]:
            return await made.sessions()

        await eventually(all_listen, "the gateways")
        yield made


async def test_two_gateways_take_forty_sessions_evenly_whoever_accepts_them(short_folder: Path) -> None:
    async with shared(short_folder, 2) as parley:
        sockets = await parley.come(SESSIONS)
        first, second = await parley.sessions()
        assert first + second == SESSIONS
        # A tenth; where none of the two hangs for a second there is no difference at all.
        assert abs(first - second) <= SESSIONS // 10
        assert await gateways_at(parley.http, parley.url) == tuple(sorted(parley.own_ports))
        told = await pages(parley.http, parley.url)
        assert [told[f"edge_gateway {number}"] for number in (1, 2)] == [
            f"http://127.0.0.1:{port}/metrics" for port in sorted(parley.own_ports)
        ]
        assert "edge_gateway" not in told

        async def all_are_counted() -> bool | None:
            async with parley.http.get(f"{parley.url}/stats") as response:
                counts = [row["active"] for row in (await response.json())["gateways"]]
            return True if sorted(counts) == sorted([first, second]) else None

        await eventually(all_are_counted, "the sessions of both, at either")
        for socket in sockets:
            await socket.close()


async def test_one_that_stops_sends_nobody_away_and_one_that_dies_is_left_out(short_folder: Path) -> None:
    async with shared(short_folder, 3) as parley:
        stopped, killed, left = parley.gateways
        sockets = await parley.come(12)
        killed.process.kill()
        await killed.process.wait()
        stopped.process.send_signal(signal.SIGTERM)

        async def is_stopping() -> bool | None:
            async with parley.http.ws_connect(f"http://127.0.0.1:{parley.own_ports[0]}/v1/conversation") as socket:
                await socket.send_str('{"config":{}}')
                return True if _STOPPING in (await socket.receive_str()) else None

        await eventually(is_stopping, "the end of the first")
        sockets += await parley.come(12)
        assert await stopped.process.wait() == 0
        sockets += await parley.come(4)
        assert left.process.returncode is None
        for socket in sockets:
            await socket.close()


async def test_a_gateway_that_was_not_asked_to_share_is_refused_and_lets_nobody_in_beside_it(
    short_folder: Path,
) -> None:
    async def ends(**settings: str) -> tuple[int | None, str]:
        environment = {**os.environ, "PARLEY_LOG_LEVEL": "ERROR", "XDG_RUNTIME_DIR": str(short_folder), **settings}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "edge_gateway", env=environment, stderr=asyncio.subprocess.PIPE
        )
        _, errors = await process.communicate()
        return process.returncode, errors.decode()

    async with gateway_process() as alone, asyncio.timeout(240):
        ports = {"PARLEY_GATEWAY_PORT": str(alone.http_port), "PARLEY_GATEWAY_GRPC_PORT": str(free_ports(1)[0])}
        for reuse in ("0", "1"):
            status, errors = await ends(**ports, PARLEY_GATEWAY_REUSE_PORT=reuse)
            assert status == 2
            assert f"port {alone.http_port} on 127.0.0.1 is taken" in errors
