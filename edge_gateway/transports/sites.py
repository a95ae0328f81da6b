"""Where the web application listens: over HTTP, HTTPS, or both side by side. Knows nothing of the page."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING, Final

from aiohttp import web

from parley._binding import explain
from parley._tls import Rotating
from serving.grpc_server import StartError

if TYPE_CHECKING:
    from edge_gateway.config import GatewayConfig
    from parley._tls import Tls

_ALL: Final = "::"


async def open_sites(runner: web.AppRunner, config: GatewayConfig) -> None:
    """Listen as `config` says.

    Raises:
        StartError: an address or a port cannot be had.
        InvalidInput: a certificate cannot be used.
    """
    if config.https_tls is not None:
        await _open(runner, config.https_host, config.https_port, "PARLEY_HTTPS_PORT", _rotating(config.https_tls))
    edge = None if config.edge_tls is None else _rotating(config.edge_tls)
    await _open(runner, config.host, config.port, "PARLEY_GATEWAY_PORT", edge)


async def _open(runner: web.AppRunner, host: str, port: int, variable: str, tls: ssl.SSLContext | None = None) -> None:
    try:
        if host.strip("[]") == _ALL:
            # By itself the event loop would leave out IPv4, which "all addresses" means to people.
            everywhere = socket.create_server(
                (_ALL, port), family=socket.AF_INET6, dualstack_ipv6=socket.has_dualstack_ipv6()
            )
            await web.SockSite(runner, everywhere, ssl_context=tls).start()
        else:
            await web.TCPSite(runner, host.strip("[]"), port, ssl_context=tls).start()
    except OSError as error:
        raise StartError(explain(error, host, port, variable)) from error


def _rotating(tls: Tls) -> ssl.SSLContext:
    """What connections are accepted with; each handshake gets what is in the files then."""
    files = Rotating(tls)
    in_force = files.current()
    newest = first = _context(tls)

    def look(connection: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _context_: ssl.SSLContext) -> None:
        nonlocal in_force, newest
        pem = files.current()
        if pem is not in_force:
            newest, in_force = _context(tls), pem
        connection.context = newest

    # Called in the middle of each handshake, whether or not the client says what it asks for.
    first.sni_callback = look
    return first


def _context(tls: Tls) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tls.cert, tls.key, password="")
    return context
