"""`StatusService`: what a server tells of itself. Every figure is read from the metrics that the process has anyway.

Never anything of a session. Knows no service by name.
"""

from __future__ import annotations

import math
import os
import socket
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Final

from parley.status import SERVICE as STATUS_SERVICE
from parley.status import ServerState, ServerStatus, status_to_proto
from parley.v1 import status_pb2, status_pb2_grpc
from serving.load import no_wait
from serving.measured import Measured

if TYPE_CHECKING:
    from collections.abc import Callable

    import grpc.aio
    from prometheus_client import CollectorRegistry

    from parley.status import Distribution
    from serving.health import HealthServicer

    Context = grpc.aio.ServicerContext[status_pb2.GetStatusRequest, status_pb2.GetStatusResponse]

SERVICE: Final = STATUS_SERVICE

_QUEUE: Final = "parley_queue_depth"
_BATCH: Final = "parley_batch_size"
_REAL_TIME: Final = "parley_real_time_factor"
_LAG: Final = "parley_loop_lag_seconds"
_CANCEL: Final = "parley_cancel_to_idle_seconds"
_MS: Final = 1000.0
_NS_PER_MS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """What a server knows of its engine now."""

    engine: str
    """Its name."""
    model: str = ""
    """Its model, the first where it has several."""
    problem: str = ""
    """Why calls may fail although they are taken, or another engine stands in; empty: nothing is known to be wrong."""
    turn_detection: str = ""
    """How turns are found to be over; empty: it finds none."""


class StatusServicer(status_pb2_grpc.StatusServiceServicer):
    """Tells of one server."""

    def __init__(
        self,
        service: str,
        registry: CollectorRegistry,
        engine: Callable[[], EngineFacts],
        calls_gauge: str,
        engine_wait: Callable[[], float] = no_wait,
    ) -> None:
        """Tell of `service`, as it is called in labels; `calls_gauge` names the metric of the calls that run.

        `engine_wait` gives how long the work has waited that waits longest for the engine, in seconds.
        """
        self.engine_wait = engine_wait
        self._service = service
        self._registry = registry
        self._engine = engine
        self._calls = calls_gauge
        self._started_unix_ms = time.time_ns() // _NS_PER_MS
        self._instance = f"{socket.gethostname()}:{os.getpid()}"
        self._version = installed_version()
        self._health: HealthServicer | None = None

    def follow(self, health: HealthServicer) -> None:
        """Let `health` say whether calls are taken."""
        self._health = health

    async def GetStatus(  # noqa: N802 - the name in the proto
        self, request: status_pb2.GetStatusRequest, context: Context
    ) -> status_pb2.GetStatusResponse:
        """How the server is now."""
        del request, context
        return status_to_proto(self._status())

    def _status(self) -> ServerStatus:
        facts = self._engine()
        measured = Measured(self._registry, (self._calls, _QUEUE, _BATCH, _REAL_TIME, _LAG, _CANCEL), self._service)
        return ServerStatus(
            service=self._service,
            version=self._version,
            instance=self._instance,
            started_unix_ms=self._started_unix_ms,
            state=_state(self._health),
            engine=facts.engine,
            model=facts.model,
            problem=facts.problem,
            turn_detection=facts.turn_detection,
            calls=measured.number(self._calls),
            queue_depth=measured.number(_QUEUE),
            batch_size=_whole(measured.distribution(_BATCH)),
            real_time_factor=measured.distribution(_REAL_TIME),
            loop_lag_ms=measured.distribution(_LAG, _MS),
            cancel_to_idle_ms=measured.distribution(_CANCEL, _MS),
        )


def installed_version() -> str:
    """Version of Parley that runs here; empty where the sources run without being installed."""
    with suppress(PackageNotFoundError):
        return version("parley-voice")
    return ""


def _whole(measured: Distribution | None) -> Distribution | None:
    """The same of what comes in whole numbers: nothing of it lies between two bounds of a histogram."""
    return measured and replace(measured, p50=math.ceil(measured.p50), p95=math.ceil(measured.p95))


def _state(health: HealthServicer | None) -> ServerState:
    if health is None:
        return ServerState.UNSPECIFIED
    return ServerState.SERVING if health.is_ready else ServerState.STARTING
