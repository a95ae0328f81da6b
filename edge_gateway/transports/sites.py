"""Where the web application listens: over HTTP, HTTPS, or both side by side. Knows nothing of the page."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING, Final

from aiohttp import web

from edge_gateway.sharing.doorway import Port
from parley._binding import explain
from parley._tls import Rotating
from serving.grpc_server import StartError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge_gateway.config import GatewayConfig
    from parley._tls import Tls

_ALL: Final = "::"
# As many as aiohttp lets wait.
_BACKLOG: Final = 128


async def open_sites(runner: web.AppRunner, config: GatewayConfig) -> None:
    """Listen as `config` says.

    Raises:
        StartError: an address or a port cannot be had.
        InvalidInput: a certificate cannot be used.
    """
    for host, port, variable, tls in _places(config):
        await _open(runner, host, port, variable, tls)


async def open_own_site(runner: web.AppRunner, config: GatewayConfig) -> None:
    """Listen on the port that is this gateway's alone, where it has one.

    Raises:
        StartError: the address or the port cannot be had.
        InvalidInput: a certificate cannot be used.
    """
    if config.metrics_port:
        edge = None if config.edge_tls is None else _rotating(config.edge_tls)
        await _open(runner, config.host, config.metrics_port, "PARLEY_GATEWAY_METRICS_PORT", edge)


def shared_ports(config: GatewayConfig) -> list[Port]:
    """Listen as `config` says, on ports on which other gateways listen too.

    Raises:
        StartError: an address or a port cannot be had.
        InvalidInput: a certificate cannot be used.
    """
    return [_shared(host, port, variable, tls) for host, port, variable, tls in _places(config)]


def _places(config: GatewayConfig) -> Iterator[tuple[str, int, str, ssl.SSLContext | None]]:
    """Host, port, the variable that sets it, and what it is opened with."""
    if config.https_tls is not None:
        yield config.https_host, config.https_port, "PARLEY_HTTPS_PORT", _rotating(config.https_tls)
    edge = None if config.edge_tls is None else _rotating(config.edge_tls)
    yield config.host, config.port, "PARLEY_GATEWAY_PORT", edge


def _shared(host: str, port: int, variable: str, tls: ssl.SSLContext | None) -> Port:
    if not port:
        raise StartError(f"{variable}=0: gateways that share a port must know it, so name one")
    if not hasattr(socket, "SO_REUSEPORT"):
        raise StartError("PARLEY_GATEWAY_REUSE_PORT=1: this system lets only one process listen on a port")
    made: list[socket.socket] = []
    try:
        if host.strip("[]") == _ALL:
            made.append(_everywhere(port, reuse_port=True))
        else:
            found = socket.getaddrinfo(host.strip("[]") or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            for family, address in dict.fromkeys((family, address) for family, _, _, _, address in found):
                made.append(socket.create_server(address[:2], family=family, reuse_port=True, backlog=_BACKLOG))
    except OSError as error:
        for each in made:
            each.close()
        raise StartError(explain(error, host, port, variable)) from error
    return Port(port, made, tls)


async def _open(runner: web.AppRunner, host: str, port: int, variable: str, tls: ssl.SSLContext | None = None) -> None:
    try:
        if host.strip("[]") == _ALL:
            await web.SockSite(runner, _everywhere(port), ssl_context=tls).start()
        else:
            await web.TCPSite(runner, host.strip("[]"), port, ssl_context=tls).start()
    except OSError as error:
        raise StartError(explain(error, host, port, variable)) from error


def _everywhere(port: int, *, reuse_port: bool = False) -> socket.socket:
    """By itself the event loop would leave out IPv4, which "all addresses" means to people."""
    return socket.create_server(
        (_ALL, port),
        family=socket.AF_INET6,
        dualstack_ipv6=socket.has_dualstack_ipv6(),
        reuse_port=reuse_port,
        backlog=_BACKLOG,
    )


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
