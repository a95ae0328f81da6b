"""The gateway's web application: the page, its WebSocket, metrics and health. Knows nothing of turns."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from aiohttp import WSCloseCode, web
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST, generate_latest

from edge_gateway.admission import Admission
from edge_gateway.error_events import error_event
from edge_gateway.transports.websocket import WebSocketConnection, new_socket
from parley.errors import ParleyError, ShuttingDown

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

ADMISSION: Final = web.AppKey("admission", Admission)
REGISTRY: Final = web.AppKey("registry", CollectorRegistry)
ORIGINS: Final = web.AppKey("origins", frozenset[str])

_CLOSE_BUSY: Final = 4429
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'self'; connect-src 'self' ws: wss:; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "microphone=(self)",
    "Cache-Control": "no-cache",
}


def new_app(admission: Admission, registry: CollectorRegistry, origins: str) -> web.Application:
    """The application; `origins` are other sites whose pages may connect, separated by commas."""
    app = web.Application(middlewares=[_headers])
    app[ADMISSION], app[REGISTRY] = admission, registry
    app[ORIGINS] = frozenset(origin.strip().rstrip("/") for origin in origins.split(",") if origin.strip())
    app.router.add_get("/", _page)
    app.router.add_get("/v1/conversation", _conversation)
    app.router.add_get("/metrics", _metrics)
    app.router.add_get("/healthz", _healthy)
    app.router.add_static("/web", _web_folder())
    return app


def _web_folder() -> Path:
    with resources.as_file(resources.files("edge_gateway") / "web") as folder:
        return folder


@web.middleware
async def _headers(request: web.Request, handler: Handler) -> web.StreamResponse:
    response = await handler(request)
    if not response.prepared:
        response.headers.update(_HEADERS)
    return response


async def _page(_request: web.Request) -> web.FileResponse:
    return web.FileResponse(_web_folder() / "index.html")


async def _healthy(_request: web.Request) -> web.Response:
    return web.Response(text="ok\n")


async def _metrics(request: web.Request) -> web.Response:
    body: bytes = generate_latest(request.app[REGISTRY])  # type: ignore[no-untyped-call]  # theirs has no types
    return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})


async def _conversation(request: web.Request) -> web.WebSocketResponse:
    """A session over the WebSocket. A refusal is an event and a close code, since pages cannot read HTTP statuses."""
    if not _origin_allowed(request):
        raise web.HTTPForbidden(text="this origin may not connect: name it in PARLEY_ALLOWED_ORIGINS\n")
    socket = new_socket()
    await socket.prepare(request)
    connection = WebSocketConnection(socket)
    admission = request.app[ADMISSION]
    try:
        admission.check()
    except ParleyError as error:
        await connection.send(error_event(error, "gateway", ends_session=True))
        stopping = isinstance(error, ShuttingDown)
        await socket.close(code=WSCloseCode.GOING_AWAY if stopping else _CLOSE_BUSY, message=b"busy")
        return socket
    await admission.hold(connection)
    await socket.close(code=WSCloseCode.OK)
    return socket


def _origin_allowed(request: web.Request) -> bool:
    """True for programs, which send no origin, for our own page, and for the sites that the operator named."""
    origin = request.headers.get("Origin", "").rstrip("/")
    allowed = request.app[ORIGINS]
    return not origin or origin in allowed or "*" in allowed or urlsplit(origin).netloc == request.host
