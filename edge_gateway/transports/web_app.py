"""The gateway's web application: the page, its WebSocket, metrics and health. Knows nothing of turns."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, Final

from aiohttp import WSCloseCode, web
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST, generate_latest

from edge_gateway.admission import Admission
from edge_gateway.error_events import error_event
from edge_gateway.sharing.arrivals import Arrivals
from edge_gateway.transports.access import Access
from edge_gateway.transports.forwarded import FORWARDED, X_FORWARDED_FOR, TrustedProxies
from edge_gateway.transports.websocket import WebSocketConnection, new_socket
from parley.errors import ParleyError, ShuttingDown
from serving.telemetry import TRACEPARENT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

ADMISSION: Final = web.AppKey("admission", Admission)
REGISTRY: Final = web.AppKey("registry", CollectorRegistry)
ACCESS: Final = web.AppKey("access", Access)
ARRIVALS: Final = web.AppKey("arrivals", Arrivals)
PROXIES: Final = web.AppKey("proxies", TrustedProxies)

# What works for whoever asks; the rest are files.
_INTERFACE: Final = "/v1/"
_CONVERSATION: Final = "/v1/conversation"
_CLOSE_BUSY: Final = 4429
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'self'; connect-src 'self' ws: wss:; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "microphone=(self)",
    "Cache-Control": "no-cache",
}


def new_app(
    admission: Admission, registry: CollectorRegistry, access: Access, proxies: TrustedProxies | None = None
) -> web.Application:
    """The application; `access` says as what it is asked for, and by whose pages; `proxies` say for whom they ask."""
    app = web.Application(middlewares=[_headers, _known_asker])
    app[ADMISSION], app[REGISTRY], app[ACCESS] = admission, registry, access
    app[PROXIES], app[ARRIVALS] = proxies or TrustedProxies(), Arrivals()
    app.router.add_get("/", _page)
    app.router.add_get(_CONVERSATION, _conversation)
    app.router.add_get("/metrics", _metrics)
    app.router.add_get("/healthz", _healthy)
    app.router.add_static("/web", _web_folder())
    return app


def _web_folder() -> Path:
    with resources.as_file(resources.files("edge_gateway") / "web") as folder:
        return folder


@web.middleware
async def _headers(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        response = await handler(request)
    except web.HTTPException as refusal:
        refusal.headers.update(_HEADERS)
        raise
    if not response.prepared:
        response.headers.update(_HEADERS)
    return response


@web.middleware
async def _known_asker(request: web.Request, handler: Handler) -> web.StreamResponse:
    access, headers = request.app[ACCESS], request.headers
    host = access.check_host(headers.getall("Host", []))
    if request.path.startswith(_INTERFACE):
        access.check_origin(headers.getall("Origin", []), host, headers.get("Sec-Fetch-Site", ""))
    if request.path != _CONVERSATION:
        request.app[ARRIVALS].asked(request.protocol)
    return await handler(request)


async def _page(_request: web.Request) -> web.FileResponse:
    return web.FileResponse(_web_folder() / "index.html")


async def _healthy(_request: web.Request) -> web.Response:
    return web.Response(text="ok\n")


async def _metrics(request: web.Request) -> web.Response:
    body: bytes = generate_latest(request.app[REGISTRY])  # type: ignore[no-untyped-call]  # theirs has no types
    return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})


async def _conversation(request: web.Request) -> web.WebSocketResponse:
    """A session over the WebSocket. A refusal is an event and a close code, since pages cannot read HTTP statuses."""
    if not request.headers.get("Sec-WebSocket-Key", "").isascii():
        # aiohttp answers other keys that are none with 400, and fails on this one (3.14).
        raise web.HTTPBadRequest(text="Sec-WebSocket-Key is no Base64.\n")
    socket = new_socket()
    await socket.prepare(request)
    connection = WebSocketConnection(socket, request.headers.get(TRACEPARENT, ""), _client_address(request))
    admission = request.app[ADMISSION]
    request.app[ARRIVALS].begins_session(request.protocol)
    try:
        await admission.enter()
        await admission.hold(connection)
    except ParleyError as error:
        await connection.send(error_event(error, "gateway", ends_session=True))
        stopping = isinstance(error, ShuttingDown)
        await socket.close(code=WSCloseCode.GOING_AWAY if stopping else _CLOSE_BUSY, message=b"busy")
        return socket
    await socket.close(code=WSCloseCode.OK)
    return socket


def _client_address(request: web.Request) -> str:
    headers = request.headers
    return request.app[PROXIES].client(
        request.remote, headers.getall(X_FORWARDED_FOR, []), headers.getall(FORWARDED, [])
    )
