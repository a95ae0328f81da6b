"""`/stats`, the figures as JSON, and `/status`, the page that shows them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Final

from aiohttp import web

from edge_gateway.status.figures import Figures
from serving.status import installed_version

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from edge_gateway.admission import Admission
    from edge_gateway.sharing.board import Row
    from edge_gateway.status.server_facts import ServerFacts
    from edge_gateway.status.turn_log import TurnLog
    from edge_gateway.transports.status_access import StatusAccess

_NS_PER_MS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the figures come from."""

    admission: Admission
    """The sessions."""
    servers: ServerFacts
    """The servers."""
    log: TurnLog
    """The last turns."""
    gateways: Callable[[], Sequence[Row]] = tuple
    """Gives all gateways on this one's port, where it shares one."""


def add_status(app: web.Application, sources: Sources, access: StatusAccess) -> None:
    """Serve `/stats` and `/status` to whom `access` lets see them."""
    if access.is_off:
        return
    started_unix_ms, version = _now_unix_ms(), installed_version()

    async def stats(request: web.Request) -> web.Response:
        access.check(request)
        servers = await sources.servers.answers()
        figures = Figures(
            version=version,
            started_unix_ms=started_unix_ms,
            now_unix_ms=_now_unix_ms(),
            sessions=sources.admission.occupancy,
            servers=servers,
            turns=sources.log.turns,
            percentiles=sources.log.percentiles(),
            gateways=sources.gateways(),
        )
        return web.json_response(text=figures.to_json())

    async def page(request: web.Request) -> web.FileResponse:
        access.check(request)
        return web.FileResponse(_page())

    app.router.add_get("/stats", stats)
    app.router.add_get("/status", page)


def _page() -> Path:
    with resources.as_file(resources.files("edge_gateway") / "web" / "status.html") as file:
        return file


def _now_unix_ms() -> int:
    return time.time_ns() // _NS_PER_MS
