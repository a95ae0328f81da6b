"""`grpc.health.v1`: whether a server is there at all (the empty name), and whether its service is ready.

Written here since the one that comes with grpcio-health-checking 1.81 tells only one of several watchers, and keeps a
server that drains from ending: its watchers are calls that never end. Knows no service by name.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from serving.calls import in_flight

if TYPE_CHECKING:
    Request = health_pb2.HealthCheckRequest
    Response = health_pb2.HealthCheckResponse
    Context = grpc.aio.ServicerContext[Request, Response]

SERVICE: Final = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name

_SERVING: Final = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING: Final = health_pb2.HealthCheckResponse.NOT_SERVING
_UNKNOWN: Final = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


class HealthServicer(health_pb2_grpc.HealthServicer):
    """Answers for one service."""

    def __init__(self, service: str) -> None:
        """The process is there; `service` is not ready."""
        self._statuses = {"": _SERVING, service: _NOT_SERVING}
        self._service = service
        self._news = asyncio.Event()
        self._draining = False

    @property
    def is_ready(self) -> bool:
        """True while the service takes calls."""
        return self._statuses[self._service] == _SERVING

    def ready(self) -> None:
        """The service is ready from now on."""
        self._statuses[self._service] = _SERVING
        self._tell()

    def drain(self) -> None:
        """Nobody is served any more; who watches is told, and let go."""
        self._statuses = dict.fromkeys(self._statuses, _NOT_SERVING)
        self._draining = True
        self._tell()

    async def Check(self, request: Request, context: Context) -> Response:  # noqa: N802 - the name in the proto
        """The status now."""
        status = self._statuses.get(request.service)
        if status is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"there is no service {request.service!r} here")
        return health_pb2.HealthCheckResponse(status=status)

    async def Watch(self, request: Request, context: Context) -> None:  # noqa: N802 - the name in the proto
        """The status now, and whenever it changes."""
        told = None
        while True:
            news, status = self._news, self._statuses.get(request.service, _UNKNOWN)
            if status != told:
                await in_flight(context.write(health_pb2.HealthCheckResponse(status=status)))
                told = status
                # It may have changed meanwhile.
                continue
            if self._draining:
                return
            await news.wait()

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()
