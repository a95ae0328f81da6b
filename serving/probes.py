"""Where a process answers for its health, and how it is asked there. Knows no service by name."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from parley._binding import joined, reachable
from parley._channel import open_plain
from parley._handshake import explain_handshake
from parley._tls import own
from parley.errors import ParleyError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from parley._tls import Tls

# Not as clients have it, who give up a connection that takes over 0.1 s and try again: on a busy machine it may, and
# how long is waited is the caller's to say. Nor is a connection shared with what was asked before.
_OPTIONS: Final = (("grpc.use_local_subchannel_pool", 1),)
_SERVING: Final = health_pb2.HealthCheckResponse.SERVING
_STATUS_LINE_PARTS: Final = 3
_OK: Final = "200"


class Unhealthy(Exception):
    """A process is not as it should be; the message says in one line what was seen."""


class Probe(Protocol):
    """One place where a process answers."""

    async def ask(self, *, live: bool) -> None:
        """Return when all is well; `live` asks only whether the process is there at all.

        Raises:
            Unhealthy: it is not.
        """
        ...

    @property
    def where(self) -> str:
        """The place, for people."""
        ...


@dataclass(frozen=True, slots=True)
class GrpcProbe:
    """`grpc.health.v1` of a server."""

    host: str
    """Address that it is bound to."""
    port: int
    """Port that it is bound to."""
    service: str
    """Full name of the service that must be ready."""
    tls: Tls | None = None
    """What it serves with; None: plaintext."""

    @property
    def where(self) -> str:
        """Host and port."""
        return joined(reachable(self.host), self.port)

    async def ask(self, *, live: bool) -> None:
        """Ask for the service's status; with `live` for that of the process, the empty name."""
        request = health_pb2.HealthCheckRequest(service="" if live else self.service)
        try:
            # On its own machine a process is asked by number, and known by the name in its certificate.
            name = "" if self.tls is None else self.tls.own_name()
            opened = open_plain(self.where, tls=self.tls and own(self.tls), name=name, options=_OPTIONS)
        except ParleyError as error:
            raise Unhealthy(str(error)) from error
        async with opened as channel:
            try:
                # The package's types leave the stub's methods out.
                answer = await health_pb2_grpc.HealthStub(channel).Check(request)  # type: ignore[attr-defined]
            except grpc.aio.AioRpcError as error:
                details = error.details() or ""
                raise Unhealthy(f"{error.code().name}, {explain_handshake(details) or details}") from error
        if answer.status != _SERVING:
            name = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
            raise Unhealthy(f"{request.service or 'the process'} is {name}")


@dataclass(frozen=True, slots=True)
class HttpProbe:
    """A path that a web server answers with 200."""

    host: str
    """Address that it is bound to."""
    port: int
    """Port that it is bound to."""
    path: str
    """What is asked for."""
    is_secure: bool = False
    """True for HTTPS."""

    @property
    def where(self) -> str:
        """A URL."""
        return f"http{'s' if self.is_secure else ''}://{joined(reachable(self.host), self.port)}{self.path}"

    async def ask(self, *, live: bool) -> None:
        """Ask for the path and read the first line of the answer; whoever answers is there, and ready."""
        del live
        host = reachable(self.host).strip("[]")
        try:
            # Whose certificate it is makes no difference: nothing that is secret goes to this machine's own port.
            tls = _any_certificate() if self.is_secure else None
            reader, writer = await asyncio.open_connection(host, self.port, ssl=tls)
        except OSError as error:
            raise Unhealthy(f"no connection ({error.strerror or error})") from error
        try:
            writer.write(
                f"GET {self.path} HTTP/1.1\r\nHost: {joined(host, self.port)}\r\nConnection: close\r\n\r\n".encode()
            )
            line = (await reader.readline()).decode("latin-1").strip()
        except (OSError, ValueError) as error:
            raise Unhealthy(f"the connection broke ({error})") from error
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        parts = line.split(maxsplit=_STATUS_LINE_PARTS - 1)
        if parts[1:2] != [_OK]:
            raise Unhealthy(f"the answer is {line!r}" if line else "no answer")


def _any_certificate() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def ask_all(probes: Sequence[Probe], *, live: bool, seconds: float) -> None:
    """Ask one after the other, all of them within `seconds`.

    Raises:
        Unhealthy: one does not answer as it should; the message names the place.
    """
    place = ""
    try:
        async with asyncio.timeout(seconds):
            for probe in probes:
                place = probe.where
                await probe.ask(live=live)
    except Unhealthy as error:
        raise Unhealthy(f"{place}: {error}") from error
    except TimeoutError as error:
        raise Unhealthy(f"{place}: no answer within {seconds:g} s") from error
