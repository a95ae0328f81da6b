"""Sockets that hold little of what nobody reads, so that whoever sends to them soon notices."""

from __future__ import annotations

import socket

import aiohttp

_BYTES = 4_096


def small_window() -> aiohttp.TCPConnector:
    """Connections of such sockets."""
    return aiohttp.TCPConnector(socket_factory=_socket)


def _socket(address: tuple[object, ...]) -> socket.socket:
    family, kind, protocol, *_ = address
    made = socket.socket(family, kind, protocol)  # type: ignore[arg-type]  # as aiohttp gives them
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BYTES)
    return made
