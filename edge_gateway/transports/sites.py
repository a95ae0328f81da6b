"""Where the web application listens: over HTTP, and with a certificate over HTTPS too. Knows nothing of the page."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING, Final

from aiohttp import web

from parley._binding import explain
from serving.grpc_server import StartError

if TYPE_CHECKING:
    from edge_gateway.config import GatewayConfig

_ALL: Final = "::"


async def open_sites(runner: web.AppRunner, config: GatewayConfig) -> None:
    """Listen as `config` says.

    Raises:
        StartError: an address, a port or the certificate cannot be had.
    """
    if config.https_certificate:
        await _open(runner, config.https_host, config.https_port, "PARLEY_HTTPS_PORT", _tls(config))
    await _open(runner, config.host, config.port, "PARLEY_GATEWAY_PORT")


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


def _tls(config: GatewayConfig) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(config.https_certificate, config.https_key or None, password="")
    except OSError as error:
        # What is wrong with its content is a kind of OSError too.
        raise StartError(
            f"PARLEY_HTTPS_CERTIFICATE={config.https_certificate} with its key cannot be used "
            f"({error.strerror or error}): name PEM files of a certificate and its key"
        ) from error
    return context
