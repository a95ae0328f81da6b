"""A gRPC server as a process has it: health, reflection, metrics, and an orderly end.

The process answers health checks from its first moment (liveness: the empty service name), reports SERVING for its
service only when the engine is loaded and warm, and on SIGTERM or SIGINT reports NOT_SERVING, lets running calls
finish for a while, and stops. Knows no service by name.
"""

from __future__ import annotations

import asyncio
import errno
import gc
import logging
import os
import signal
import sys
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar, cast

import grpc.aio
import uvloop
from grpc_health.v1 import health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from prometheus_client import start_http_server

from parley._binding import explain, find_problem, joined
from parley._duplex import first_of
from parley._frames import FRAME_BYTES
from parley._masking import masked, secrets_of
from parley._variables import unknown
from parley.errors import ParleyError
from parley.v1.multiplex_pb2_grpc import add_MultiplexServiceServicer_to_server
from parley.v1.status_pb2_grpc import add_StatusServiceServicer_to_server
from serving.config import ConfigError, log_level, read
from serving.health import SERVICE as HEALTH
from serving.health import HealthServicer
from serving.lifeline import is_supervised, watch
from serving.load import measured_load
from serving.metrics import loop_lag
from serving.multiplex import SERVICE as MULTIPLEX
from serving.multiplex import Handlers, MultiplexServicer, Traffic
from serving.scrapes import guarded
from serving.status import SERVICE as STATUS
from serving.telemetry import Telemetry, open_telemetry
from serving.tls import TlsSettings, server_credentials
from serving.traffic import TrafficCollector

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from parley._tls import Tls
    from serving.status import StatusServicer

CHECK: Final = "--check"
"""The argument with which a process only looks whether it could start."""

S = TypeVar("S", bound=TlsSettings)

_log = logging.getLogger("parley.serving")

_SERVER_OPTIONS = (
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.ping_timeout_ms", 5_000),
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
)


class StartError(Exception):
    """The process cannot start; the message is one line that says what to do."""


@dataclass(frozen=True, slots=True)
class Listen:
    """Where a server listens, and how it ends."""

    host: str
    """Address to bind."""
    port: int
    """Port to bind; 0 takes any free one."""
    port_variable: str
    """Variable that sets the port, for the error message."""
    metrics_port: int
    """Port of `/metrics`; 0: none."""
    drain_seconds: float
    """How long running calls may go on after the signal to stop."""
    max_message_bytes: int
    """Largest message taken."""
    tls: Tls | None = None
    """What the port is opened with; None: plaintext."""
    connection_seconds: float = 3_600.0
    """With certificates on both sides: age at which callers must connect anew for new calls, and be believed again."""

    shares_port: bool = False
    """Other servers listen on the same port, and the kernel spreads connections over all."""


async def serve(  # noqa: PLR0913 - a process has these parts
    service: str,
    register: Callable[[grpc.aio.Server], None],
    listen: Listen,
    *,
    load: Callable[[], Awaitable[None]],
    telemetry: Telemetry,
    drain: Callable[[], Awaitable[None]] | None = None,
    status: StatusServicer | None = None,
) -> None:
    """Serve until told to stop. `service` is the full name for health checks; `load` makes the engine warm.

    When told to stop, nobody is let in any more, from that moment on, and running calls have `listen.drain_seconds` to
    end. `drain` does the same for callers that came another way, side by side with that, in as many seconds.

    Raises:
        StartError: the address or a port cannot be had.
        ParleyError: `load` failed.
    """
    stopping, traffic = _stop_signal(), Traffic()
    telemetry.registry.register(TrafficCollector(traffic))
    try:
        async with (
            _metrics(listen, telemetry),
            asyncio.TaskGroup() as tasks,
            started(service, register, listen, status, traffic) as (port, ready),
        ):
            await load()
            _spare_collections()
            await ready()
            _log.info("%s is serving on %s:%d", service, listen.host, port)
            await stopping.wait()
            _log.info("%s is stopping", service)
            if drain is not None:
                tasks.create_task(_as_coroutine(drain()), name="drain")
    except BaseExceptionGroup as group:
        raise first_of(group) from None


@asynccontextmanager
async def started(
    service: str,
    register: Callable[[grpc.aio.Server], None],
    listen: Listen,
    status: StatusServicer | None = None,
    traffic: Traffic | None = None,
) -> AsyncIterator[tuple[int, Callable[[], Awaitable[None]]]]:
    """A listening server as a block: its port, and what to call when the service is ready.

    With a `status` it also tells of itself to whoever runs it, and callers how much it has to do; `traffic` counts the
    messages of shared streams.

    Raises:
        StartError: the address or the port cannot be had.
        InvalidInput: its certificates cannot be used.
    """
    server = grpc.aio.server(options=_options(listen))
    health = HealthServicer(service)
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    register(server)
    handlers = Handlers()
    register(cast("grpc.aio.Server", handlers))
    multiplexed = MultiplexServicer(handlers, traffic)
    add_MultiplexServiceServicer_to_server(multiplexed, server)
    names = [service, MULTIPLEX, HEALTH, reflection.SERVICE_NAME]
    if status is not None:
        status.follow(health)
        add_StatusServiceServicer_to_server(status, server)
        names.append(STATUS)
    if os.environ.get("PARLEY_ENVIRONMENT", "") != "production":
        reflection.enable_server_reflection(names, server)
    port = _bind(server, listen)
    await server.start()

    async def ready() -> None:
        health.ready()

    try:
        with nullcontext() if status is None else measured_load(multiplexed.tell, status.engine_wait):
            yield port, ready
    finally:
        # Nobody is let in from here on, and who is in may finish; who only watches goes at once.
        health.drain()
        multiplexed.drain()
        await server.stop(listen.drain_seconds)


def run(service: str, config_class: type[S], main: Callable[[S, Telemetry], Awaitable[None]]) -> None:
    """The whole of a process: configuration, telemetry, `main`; exit status 2 for what the user must mend.

    With the argument `--check` it only looks whether all its packages and its settings can be used.
    """
    if is_supervised(os.environ):
        watch()
    else:
        for sentence in unknown(os.environ):
            sys.stderr.write(f"{service}: {sentence}\n")
    try:
        config = read(config_class, os.environ)
        level = log_level(os.environ)
        config.check()
        if sys.argv[1:] == [CHECK]:
            return
        with open_telemetry(service, level) as telemetry:
            uvloop.run(_measured(service, main(config, telemetry), telemetry))
    except (ConfigError, StartError, ParleyError) as error:
        sys.stderr.write(f"{service}: {masked(str(error), secrets_of(os.environ))}\n")
        sys.exit(2)


def _options(listen: Listen) -> tuple[tuple[str, int], ...]:
    options = (
        *_SERVER_OPTIONS,
        # Unless asked for, a second server on the same port would silently get half of the calls.
        ("grpc.so_reuseport", int(listen.shares_port)),
        ("grpc.max_receive_message_length", listen.max_message_bytes + FRAME_BYTES),
    )
    if listen.tls is None or not listen.tls.ca:
        return options
    return (*options, ("grpc.max_connection_age_ms", round(listen.connection_seconds * 1000)))


def _bind(server: grpc.aio.Server, listen: Listen) -> int:
    address = joined(listen.host, listen.port)
    credentials = None if listen.tls is None else server_credentials(listen.tls)
    try:
        if credentials is None:
            return server.add_insecure_port(address)
        return server.add_secure_port(address, credentials)
    except RuntimeError as error:
        # grpc says only that it could not; why, is seen by trying the same with a socket.
        problem = find_problem(listen.host, listen.port) or OSError(errno.EADDRINUSE, str(error))
        raise StartError(explain(problem, listen.host, listen.port, listen.port_variable)) from error


async def _measured(service: str, work: Awaitable[None], telemetry: Telemetry) -> None:
    with loop_lag(telemetry, service):
        await work


def _spare_collections() -> None:
    """Let no garbage collection go through what is there for as long as the process is.

    Modules and models are some 50,000 objects, which held up every conversation for 25 ms each time.
    """
    gc.collect()
    gc.freeze()


async def _as_coroutine(work: Awaitable[None]) -> None:
    await work


def _stop_signal() -> asyncio.Event:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    return stopping


@asynccontextmanager
async def _metrics(listen: Listen, telemetry: Telemetry) -> AsyncIterator[None]:
    if not listen.metrics_port:
        yield
        return
    try:
        server, thread = start_http_server(listen.metrics_port, listen.host, telemetry.registry)
    except OSError as error:
        variable = listen.port_variable.replace("_PORT", "_METRICS_PORT")
        raise StartError(explain(error, listen.host, listen.metrics_port, variable)) from error
    app = server.get_app()
    assert app is not None  # noqa: S101 - it was given one
    server.set_app(guarded(app, listen.host))
    try:
        yield
    finally:
        # It looks only every half second whether it is to end.
        await asyncio.to_thread(server.shutdown)
        server.server_close()
        thread.join()
