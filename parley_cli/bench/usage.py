"""What the processes of a Parley have used, from their metrics."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import aiohttp

from parley._binding import joined
from parley._histogram import quantile
from parley._variables import LOOPBACK
from parley_cli.processes import GATEWAY, PROCESSES
from parley_cli.shared_port import gateways_at

if TYPE_CHECKING:
    from collections.abc import Mapping

_METRICS_SUFFIX: Final = "_METRICS_PORT"
_CPU: Final = "process_cpu_seconds_total"
_MEMORY: Final = "process_resident_memory_bytes"
_SWITCHES: Final = "process_context_switches_total"
_MESSAGES: Final = "parley_stream_messages_total"
_LAG: Final = "parley_loop_lag_seconds_bucket"
# What follows a "#" within a line leads to a trace.
_LINE: Final = re.compile(r"^(\w+)(?:\{(.*?)\})? (\S+)", re.MULTILINE)
_BOUND: Final = re.compile(r'\ble="([^"]+)"')


@dataclass(frozen=True, slots=True)
class Usage:
    """What one process has used since it began."""

    cpu_seconds: float
    """Processor time."""
    memory_bytes: float
    """Resident memory."""
    switches: float
    """Context switches of all its threads."""
    messages: float = 0.0
    """gRPC messages of the streams that it shares with gateways."""
    lag_buckets: Mapping[float, float] = field(default_factory=dict)
    """How late its event loop came to timers: how many each bound, in seconds, covers."""


@dataclass(frozen=True, slots=True)
class Share:
    """What one process used between two looks."""

    cpu_percent: float
    """Processor time, as a share of one core."""
    switches_per_session_second: float
    """Context switches."""
    messages_per_session_second: float
    """gRPC messages, of a server, in both directions."""
    lag_p50_ms: float | None
    """How late its event loop came to timers, median; None: it does not say."""
    lag_p99_ms: float | None
    """The same, 99th percentile."""


async def pages(http: aiohttp.ClientSession, url: str) -> dict[str, str]:
    """Where gateways and servers tell their metrics, by their modules; numbered gateways where several share the port.

    A gateway that has no port of its own has no page.
    """
    own = await gateways_at(http, url)
    found = {GATEWAY.module: f"{url}/metrics"}
    if len(own) > 1:
        found = {f"{GATEWAY.module} {number}": _page(url, port) for number, port in enumerate(own, 1)}
    for process in PROCESSES:
        for name, port in process.ports(os.environ):
            if name.endswith(_METRICS_SUFFIX):
                found[process.module] = f"http://{joined(urlsplit(url).hostname or LOOPBACK, port)}/metrics"
    return found


def _page(url: str, port: int) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{joined(parts.hostname or LOOPBACK, port)}/metrics" if port else ""


async def usage(http: aiohttp.ClientSession, pages: Mapping[str, str]) -> dict[str, Usage] | str:
    """What each process has used, by the page on which it tells; the page that does not say, if there is one."""
    found = {}
    for module, page in pages.items():
        if not page:
            return f"{module}, which has no PARLEY_GATEWAY_METRICS_PORT,"
        try:
            async with http.get(page) as response:
                values, lag = _read(await response.text())
        except (aiohttp.ClientError, ValueError):
            return page
        if not {_CPU, _MEMORY} <= values.keys():
            return page
        switches, messages = (values.get(name, 0.0) for name in (_SWITCHES, _MESSAGES))
        found[module] = Usage(values[_CPU], values[_MEMORY], switches, messages, lag)
    return found


def shares(before: Mapping[str, Usage], after: Mapping[str, Usage], seconds: float, sessions: int) -> dict[str, Share]:
    """What each process used in `seconds`, in which so many `sessions` talked."""
    found = {}
    for module, last in after.items():
        first = before[module]
        lag = {bound: count - first.lag_buckets.get(bound, 0.0) for bound, count in last.lag_buckets.items()}
        found[module] = Share(
            round(100 * (last.cpu_seconds - first.cpu_seconds) / seconds, 1),
            round((last.switches - first.switches) / seconds / sessions, 1),
            round((last.messages - first.messages) / seconds / sessions, 1),
            round(1000 * quantile(lag, 0.5), 2) if lag else None,
            round(1000 * quantile(lag, 0.99), 2) if lag else None,
        )
    return found


def _read(page: str) -> tuple[dict[str, float], dict[float, float]]:
    """The sums of the metrics, and the buckets of the event loop's lag."""
    values: defaultdict[str, float] = defaultdict(float)
    lag: dict[float, float] = {}
    for name, labels, value in _LINE.findall(page):
        if name == _LAG and (bound := _BOUND.search(labels)):
            lag[float(bound[1])] = float(value)
        else:
            values[name] += float(value)
    return values, lag
