"""Client of what every server tells of itself. Knows nothing of who looks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import grpc.aio

from parley._channel import open_plain
from parley.errors import from_rpc
from parley.status.wire import status_from_proto
from parley.v1 import status_pb2, status_pb2_grpc

if TYPE_CHECKING:
    from parley._tls import Tls
    from parley.status.report import ServerStatus


class StatusClient:
    """Asks one server, whether or not it is ready to serve."""

    def __init__(self, address: str, hop: str, *, tls: Tls | None = None, name: str = "") -> None:
        """Prepare a channel to `address`, as any client takes it; it connects with the first question.

        `hop` names the server in errors: asr, llm or tts. `tls` and `name` are as for any client.

        Raises:
            InvalidInput: the address or the certificates cannot be used.
            Unavailable: the package that reads certificates is not installed.
        """
        self._hop = hop
        self._channel = open_plain(address, tls=tls, name=name)
        self._stub: status_pb2_grpc.StatusServiceAsyncStub = status_pb2_grpc.StatusServiceStub(self._channel)

    async def __aenter__(self) -> Self:
        """Use the client as a block."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the channel."""
        await self._channel.close()

    async def ask(self, seconds: float = 3.0) -> ServerStatus:
        """How the server is.

        Raises:
            EngineFailed: the server does not tell of itself.
            DeadlinePassed: it has not answered within so many seconds.
            ParleyError: it cannot be reached.
        """
        try:
            answer = await self._stub.GetStatus(status_pb2.GetStatusRequest(), timeout=seconds)
        except grpc.aio.AioRpcError as error:
            raise from_rpc(error, self._hop) from error
        return status_from_proto(answer)
