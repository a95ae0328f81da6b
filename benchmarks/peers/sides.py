"""Who is measured: Parley with one setting or another, Pipecat, and the floor. Each is started anew for every run."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.benching import bench
from benchmarks.peers import environment
from benchmarks.tracing import receiver
from tests.end_to_end.whole import House, free_ports, open_checkout

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from typing import Any

_ROOT: Final = Path(__file__).resolve().parents[2]
_START_SECONDS: Final = 60.0
_LOOK_SECONDS: Final = 0.05
# Silero computes wherever Pipecat's does. More sessions than anybody would let in are how a limit is found.
_PARLEY: Final = {
    "PARLEY_SCRIPTED_ASR_VAD": "silero",
    "PARLEY_LOG_LEVEL": "ERROR",
    "PARLEY_MAX_SESSIONS": "1000",
}


@dataclass(frozen=True, slots=True)
class Cores:
    """Where what is measured runs, and where what measures it does."""

    servers: str
    """Of all that a session needs; empty: anywhere."""
    clients: str
    """Of the bench, and of what takes traces; empty: anywhere."""


@dataclass(frozen=True, slots=True)
class Load:
    """What a run holds."""

    sessions: int
    """Listeners at once."""
    seconds: float
    """For how long they begin turns."""
    ramp_seconds: float
    """Before that, and not told: the time within which they begin one after the other."""
    silent: float = 0.0
    """Share of them that say nothing."""


@dataclass(frozen=True, slots=True)
class Side:
    """One that is measured."""

    name: str
    """What it is called in the table."""
    module: str = ""
    """The server, of this folder; empty: Parley."""
    pcm: bool = False
    """Sound is PCM in both directions."""
    traced: bool = False
    """Spans are made and sent."""


PARLEY: Final = Side("Parley, Opus, traced", traced=True)
PARLEY_UNTRACED: Final = Side("Parley, Opus")
PARLEY_PCM: Final = Side("Parley, PCM", pcm=True)
PIPECAT: Final = Side(f"Pipecat {environment.version()}, PCM", "pipecat_server", pcm=True)
FLOOR: Final = Side("aiohttp alone, PCM", "floor_server", pcm=True)
SIDES: Final = {
    "parley": PARLEY,
    "parley-untraced": PARLEY_UNTRACED,
    "parley-pcm": PARLEY_PCM,
    "pipecat": PIPECAT,
    "floor": FLOOR,
}


async def figures(side: Side, load: Load, cores: Cores) -> dict[str, Any]:
    """The figures of one run, by the names that `parley bench` has for them."""
    async with _running(side, cores) as (house, pids):
        return await bench(
            house,
            *("--sessions", str(load.sessions), "--seconds", str(load.seconds)),
            *(("--ramp", str(load.ramp_seconds)) if load.ramp_seconds else ()),
            *(("--silent", str(load.silent)) if load.silent else ()),
            *(("--pcm",) if side.pcm else ()),
            *(("--pids", ",".join(map(str, pids))) if pids else ()),
            *(("--cores", cores.clients) if cores.clients else ()),
        )


@asynccontextmanager
async def _running(side: Side, cores: Cores) -> AsyncIterator[tuple[House, Sequence[int]]]:
    """It runs; with the processes whose use is to be looked up, where they have no metrics."""
    pinned = _pinned(cores.servers)
    if side.module:
        async with _peer(side, pinned) as house:
            yield house, (house.process.pid,)
        return
    async with receiver(_pinned(cores.clients)) as sink:
        tracing = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.endpoint} if side.traced else {"OTEL_SDK_DISABLED": "true"}
        settings = {**_PARLEY, **tracing}
        async with open_checkout((*pinned, sys.executable), None, "scripted", settings) as house:
            yield house, ()


def _pinned(core: str) -> tuple[str, ...]:
    return ("taskset", "-c", core) if core else ()


@asynccontextmanager
async def _peer(side: Side, pinned: tuple[str, ...]) -> AsyncIterator[House]:
    python = environment.python() if side is PIPECAT else sys.executable
    [port] = free_ports(1)
    # taskset becomes what it starts, so this is the server's own process.
    process = await asyncio.create_subprocess_exec(
        *(*pinned, str(python), "-m", f"benchmarks.peers.{side.module}", str(port)),
        cwd=_ROOT,
        # Pipecat greets whoever imports it.
        env={**os.environ, "LOGURU_LEVEL": "ERROR"},
    )
    try:
        async with asyncio.timeout(_START_SECONDS):
            while not _listens(port):
                if process.returncode is not None:
                    raise SystemExit(f"{side.name} ended with {process.returncode} instead of listening")
                await asyncio.sleep(_LOOK_SECONDS)
        yield House(f"http://127.0.0.1:{port}", {}, process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
