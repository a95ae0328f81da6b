"""Addresses to listen on: how they are written, whether they can be had, and what to do when they cannot.

Knows nothing of what listens there.
"""

from __future__ import annotations

import errno
import os
import socket
from typing import TYPE_CHECKING, Final

from parley._variables import LOOPBACK, PORTS
from parley.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Mapping

_LAST_PORT: Final = 65_535
_FIRST_FREE_FOR_ALL: Final = 1_024
# What a machine answers that lacks one of the two families of addresses.
_NO_SUCH_FAMILY: Final = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
_WILDCARDS: Final = {"0.0.0.0": LOOPBACK, "::": "::1", "": LOOPBACK}  # noqa: S104 - taken apart, not listened on


def joined(host: str, port: int) -> str:
    """Host and port in one; an IPv6 address stands in brackets."""
    return f"[{host.strip('[]')}]:{port}" if ":" in host else f"{host}:{port}"


def reachable(host: str) -> str:
    """Where a server that listens on `host` is found from this machine: all addresses are no address."""
    return _WILDCARDS.get(host.strip("[]"), host)


def is_for_all(host: str) -> bool:
    """True when it stands for all addresses of a machine."""
    return host.strip("[]") in _WILDCARDS


def port_of(environment: Mapping[str, str], variable: str) -> int:
    """The port that `variable` sets.

    Raises:
        InvalidInput: it is no port.
    """
    text = environment.get(variable, "").strip()
    if not text:
        return PORTS[variable]
    if not text.isascii() or not text.isdecimal():
        raise InvalidInput(f"{variable}={text}: not a whole number", field=variable)
    digits = text.lstrip("0") or "0"
    # Python does not read numbers of some thousand digits.
    if len(digits) > len(str(_LAST_PORT)) or int(digits) > _LAST_PORT:
        raise InvalidInput(f"{variable}={text}: more than {_LAST_PORT}", field=variable)
    return int(digits)


def find_problem(host: str, port: int) -> OSError | None:
    """What keeps this machine from listening on `host` and `port` at this moment; None: nothing does."""
    try:
        found = socket.getaddrinfo(host.strip("[]") or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        return error if isinstance(error, OSError) else OSError(errno.EINVAL, str(error))
    problems = [_try(family, address) for family, _, _, _, address in found]
    real = [problem for problem in problems if problem is not None and problem.errno not in _NO_SUCH_FAMILY]
    return real[0] if real else None if None in problems else problems[0]


def _try(family: int, address: tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]) -> OSError | None:
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            # What was closed a moment ago does not count.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            probe.bind(address)
    except OSError as error:
        return error
    return None


def explain(error: OSError, host: str, port: int, port_variable: str) -> str:
    """Why nothing can listen on `host` and `port`, with what to do about it; `port_variable` sets the port."""
    host_variable = host_variable_of(port_variable)
    if isinstance(error, socket.gaierror) or error.errno in {*_NO_SUCH_FAMILY, errno.EINVAL}:
        return (
            f"{host_variable}={host} is no address of this machine ({_reason(error)}): {LOOPBACK} is for programs on "
            "this machine alone, 0.0.0.0 for its networks too"
        )
    if error.errno in {errno.EACCES, errno.EPERM}:
        return (
            f"port {port} on {host} needs the rights of an administrator ({_reason(error)}): set {port_variable} to "
            f"one from {_FIRST_FREE_FOR_ALL} up"
        )
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {port} on {host} is taken ({_reason(error)}): stop what uses it, or set {port_variable} to another"
        )
    return f"nothing can listen on port {port} of {host} ({_reason(error)})"


def host_variable_of(port_variable: str) -> str:
    """The variable that sets the address of a port; PARLEY_GATEWAY_HOST for PARLEY_GATEWAY_GRPC_PORT."""
    return f"{'_'.join(port_variable.split('_')[:2])}_HOST"


def _reason(error: OSError) -> str:
    # What the event loop has to say of it repeats the address.
    known = not isinstance(error, socket.gaierror) and error.errno in errno.errorcode
    return os.strerror(error.errno or 0) if known else error.strerror or str(error)
