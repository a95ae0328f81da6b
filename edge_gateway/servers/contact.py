"""One server over one channel: its client, and its health. Knows nothing of other servers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from parley.errors import from_rpc
from parley.status import StatusClient

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from parley._multiplexer import Multiplexer
    from parley.v1.multiplex_pb2 import ServerLoad

C_co = TypeVar("C_co", covariant=True)

_SERVING: Final = health_pb2.HealthCheckResponse.SERVING


class Contact(Protocol[C_co]):
    """The way to one server."""

    @property
    def client(self) -> C_co:
        """Calls it."""
        ...

    @property
    def status(self) -> StatusClient | None:
        """Asks it how it is doing; None: nobody does."""
        ...

    @property
    def load(self) -> tuple[float, ServerLoad] | None:
        """How much it has said last that it has to do, and when, loop time; None: it has not."""
        ...

    @property
    def calls_since(self) -> float | None:
        """Since when it has had calls that it has not ended, loop time; None: it has none."""
        ...

    async def run(self) -> None:
        """Keep what its calls share, until cancelled."""
        ...

    def health(self) -> AsyncGenerator[bool, None]:
        """Whether it serves, now and whenever that changes, until it says no more.

        Raises:
            ParleyError: it cannot be reached.
        """
        ...

    async def check(self) -> bool:
        """Whether it serves, asked anew.

        Raises:
            ParleyError: it cannot be reached.
        """
        ...

    async def close(self) -> None:
        """End all calls."""
        ...


class GrpcContact(Generic[C_co]):
    """A server that speaks gRPC."""

    def __init__(
        self, channel: grpc.aio.Channel, client: C_co, multiplexer: Multiplexer, hop: str, service: str
    ) -> None:
        """`client` and `multiplexer` were made over `channel`, to this server alone.

        Health is asked for by the full name `service`.
        """
        self.client = client
        self._multiplexer = multiplexer
        self.status = StatusClient(channel, hop)
        self._channel = channel
        self._hop = hop
        self._request = health_pb2.HealthCheckRequest(service=service)
        self._health = health_pb2_grpc.HealthStub(channel)

    @property
    def load(self) -> tuple[float, ServerLoad] | None:
        """As the server tells it over the stream that calls share."""
        return self._multiplexer.load

    @property
    def calls_since(self) -> float | None:
        """Of the calls that share a stream."""
        return self._multiplexer.calls_since

    async def run(self) -> None:
        """Keep the stream that calls share."""
        await self._multiplexer.run()

    async def health(self) -> AsyncGenerator[bool, None]:
        """As the server tells it; one that has no health service is taken to serve."""
        call = self._health.Watch(self._request)  # type: ignore[attr-defined]  # the package's types leave them out
        try:
            async for answer in call:
                yield answer.status == _SERVING
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.UNIMPLEMENTED:
                raise from_rpc(error, self._hop) from error
            yield True
        finally:
            call.cancel()

    async def check(self) -> bool:
        """As `health`, once."""
        try:
            answer = await self._health.Check(self._request)  # type: ignore[attr-defined]  # as above
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.UNIMPLEMENTED:
                return True
            raise from_rpc(error, self._hop) from error
        return bool(answer.status == _SERVING)

    async def close(self) -> None:
        """Close the channel."""
        await self._channel.close()
