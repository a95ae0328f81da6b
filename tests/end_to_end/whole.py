"""A whole Parley, as `parley up` starts it, on ports of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from parley_cli.processes import PROCESSES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

# Large models take their time; the others are ready after one second or two.
START_SECONDS = 200


@dataclass(frozen=True, slots=True)
class House:
    """Where a running Parley is."""

    url: str
    ports: dict[str, int]
    process: asyncio.subprocess.Process

    def address(self, variable: str) -> str:
        return f"127.0.0.1:{self.ports[variable]}"


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def open_house(profile: str = "embedded", **settings: str) -> AbstractAsyncContextManager[House]:
    """`parley up` with a profile and further variables."""
    return open_checkout((sys.executable,), None, profile, settings)


@asynccontextmanager
async def open_checkout(
    python: tuple[str, ...], folder: Path | None, profile: str, settings: Mapping[str, str]
) -> AsyncIterator[House]:
    """`parley up` of the checkout in `folder`, this one where there is none; `python` may have a command before it."""
    variables = [name for process in PROCESSES for name, _ in process.port_variables]
    ports = dict(zip(variables, free_ports(len(variables)), strict=True))
    environment = {**os.environ, **{name: str(port) for name, port in ports.items()}, **settings}
    process = await asyncio.create_subprocess_exec(
        *(*python, "-m", "parley_cli", "up", "--profile", profile),
        cwd=folder,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(START_SECONDS):
            line = (await process.stdout.readline()).decode()
        assert "Parley is listening" in line, line
        yield House(f"http://127.0.0.1:{ports['PARLEY_GATEWAY_PORT']}", ports, process)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
        assert await process.wait() == 0
