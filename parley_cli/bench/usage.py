"""What the processes of a Parley have used, from their metrics."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import aiohttp

from parley._binding import joined
from parley._variables import LOOPBACK
from parley_cli.processes import PROCESSES

if TYPE_CHECKING:
    from collections.abc import Iterator

_METRICS_SUFFIX: Final = "_METRICS_PORT"


@dataclass(frozen=True, slots=True)
class Usage:
    """What all processes together have used."""

    cpu_seconds: float
    """Processor time."""
    memory_bytes: float
    """Resident memory."""


async def usage(http: aiohttp.ClientSession, url: str) -> Usage | str:
    """What gateway and servers have used since they began; the page that does not say, if there is one."""
    cpu = memory = 0.0
    for page in _pages(url):
        try:
            async with http.get(page) as response:
                values = _values(await response.text())
        except aiohttp.ClientError:
            return page
        if not {"process_cpu_seconds_total", "process_resident_memory_bytes"} <= values.keys():
            return page
        cpu += values["process_cpu_seconds_total"]
        memory += values["process_resident_memory_bytes"]
    return Usage(cpu, memory)


def _pages(url: str) -> Iterator[str]:
    """The gateway has its metrics beside its page, each server on a port of its own."""
    yield f"{url}/metrics"
    for process in PROCESSES:
        for name, port in process.ports(os.environ):
            if name.endswith(_METRICS_SUFFIX):
                yield f"http://{joined(urlsplit(url).hostname or LOOPBACK, port)}/metrics"


def _values(page: str) -> dict[str, float]:
    """The metrics that have no labels."""
    lines = (line.split() for line in page.splitlines() if not line.startswith("#"))
    return {line[0]: float(line[1]) for line in lines if len(line) == 2 and "{" not in line[0]}  # noqa: PLR2004 - a name and a number
