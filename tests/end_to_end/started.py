"""`parley up` as a user starts it: what it says is read line by line, and its end is that of the last process."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from parley_cli.processes import PROCESSES
from tests.end_to_end.whole import free_ports

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PATIENCE_SECONDS = 60
_RUN = ("-m", "parley_cli")


def own_ports() -> dict[str, str]:
    """Ports that nobody uses, by their variables."""
    variables = [*(name for process in PROCESSES for name in process.variables), "PARLEY_HTTPS_PORT"]
    return dict(zip(variables, map(str, free_ports(len(variables))), strict=True))


@dataclass(slots=True)
class Up:
    """A `parley up`."""

    process: asyncio.subprocess.Process
    environment: dict[str, str]
    errors: list[str] = field(default_factory=list)

    async def listening(self) -> str:
        """The line that says so."""
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE_SECONDS):
            line = (await self.process.stdout.readline()).decode()
        assert "Parley is listening" in line, self.errors
        return line.rstrip()

    async def told(self, *words: str) -> str:
        """The next line on standard error with all these words."""
        assert self.process.stderr is not None
        async with asyncio.timeout(PATIENCE_SECONDS):
            while line := (await self.process.stderr.readline()).decode().rstrip():
                self.errors.append(line)
                if all(word in line for word in words):
                    return line
        raise AssertionError(self.errors)

    async def all_gone(self) -> str:
        """Wait until it and all that holds its standard output are gone; gives what was still written there."""
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE_SECONDS):
            rest = await self.process.stdout.read()
            # A signal to a process that has just ended would take its status away from who waits for it.
            await self.process.wait()
        return rest.decode()

    def child(self, module: str) -> int:
        """Process id of a server."""
        [pid] = self.children(module)
        return pid

    def children(self, module: str) -> list[int]:
        """Process ids of all that run `module` for it."""
        command = ["ps", "-A", "-o", "pid=,ppid=,args="]
        listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        return [
            int(line.split()[0])
            for line in listed.splitlines()
            if line.split()[1] == str(self.process.pid) and line.endswith(f"-m {module}")
        ]


@asynccontextmanager
async def started(*arguments: str, before: str = "", **settings: str) -> AsyncIterator[Up]:
    """Start it with the scripted engines, on ports of its own unless `settings` name some; `before` is run first."""
    run = ("-c", f"{before}\nimport sys; from parley_cli import main; sys.exit(main())") if before else _RUN
    environment = {**os.environ, **own_ports(), **settings}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *run, "up", "--profile", "scripted", *arguments),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    up = Up(process, environment)
    try:
        yield up
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
        await up.all_gone()
