"""Client of the LLM server: a conversation goes up, pieces of a reply come down.

Knows nothing of speech.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, Self

import grpc.aio

from parley._channel import MAX_CHAT_MESSAGE_BYTES, open_channel
from parley._duplex import Translated, duplex, joined
from parley.errors import from_rpc
from parley.llm.events import Models
from parley.llm.wire import SERVICE, event_from_proto, request_to_proto
from parley.v1 import llm_pb2, llm_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator
    from contextlib import AbstractAsyncContextManager

    from parley._multiplexer import Multiplexer
    from parley._tls import Tls
    from parley.llm.events import Event
    from parley.llm.requests import Config
    from parley.llm.tools import ToolResult

_METHOD: Final = f"/{SERVICE}/Chat"


class LlmClient:
    """Client of one LLM server, or of several behind one name.

    Example:
        async with LlmClient("localhost:50052") as llm, llm.chat(config) as events:
            async for event in events: ...
    """

    def __init__(
        self,
        address: str | grpc.aio.Channel,
        *,
        tls: Tls | None = None,
        name: str = "",
        multiplexer: Multiplexer | None = None,
    ) -> None:
        """Prepare a channel to `address` ("host:port"), or use a channel; it connects with the first call.

        Args:
            address: where the server is; "https://host:port" also asks for TLS.
            tls: certificate, key and authorities of this side; None: plaintext, unless the address asks for TLS.
            name: what the server's certificate must be for, where `address` is a number that came from a name.
            multiplexer: has calls share a stream, for who has many at once; made over the same channel.

        Raises:
            InvalidInput: the address or the certificates cannot be used.
            Unavailable: the package that reads certificates is not installed.
        """
        if isinstance(address, str):
            address = open_channel(address, SERVICE, MAX_CHAT_MESSAGE_BYTES, tls=tls, name=name)
        self._channel = address
        self._multiplexer = multiplexer
        self._stub: llm_pb2_grpc.LlmServiceAsyncStub = llm_pb2_grpc.LlmServiceStub(self._channel)

    async def __aenter__(self) -> Self:
        """Use the client as a block."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the channel."""
        await self.close()

    async def close(self) -> None:
        """End every call and close the channel."""
        await self._channel.close()

    @property
    def is_quick(self) -> bool:
        """A call begins at once: no connection has to be waited for."""
        return self._multiplexer is None or self._multiplexer.is_ready

    def _call(
        self, first: llm_pb2.ChatRequest, rest: AsyncIterable[llm_pb2.ChatRequest] | None
    ) -> AbstractAsyncContextManager[AsyncIterator[llm_pb2.ChatResponse]]:
        if self._multiplexer is None:
            return duplex(self._stub.Chat, joined(first, rest), "llm")
        return self._multiplexer.call(_METHOD, llm_pb2.ChatResponse.FromString, first, rest, self._stub.Chat)

    @asynccontextmanager
    async def chat(
        self, config: Config, results: AsyncIterable[ToolResult] | None = None
    ) -> AsyncIterator[AsyncIterator[Event]]:
        """Ask for a reply; leaving the block ends the model's work. The first event is `Ready`.

        `results` answers each `ToolCall` that comes, in any order; it may go on until the block is left.

        Raises:
            ParleyError: the server refused, failed or went away; raised where the events are read.
        """
        answers = None if results is None else _answers(results)
        async with self._call(request_to_proto(config), answers) as responses:
            yield Translated(responses, event_from_proto)

    async def models(self) -> Models:
        """The engine and the models that can answer.

        Raises:
            ParleyError: the server cannot be reached within 3 seconds.
        """
        try:
            answer = await self._stub.ListModels(llm_pb2.ListModelsRequest(), timeout=3)
        except grpc.aio.AioRpcError as error:
            raise from_rpc(error, "llm") from error
        names = tuple(model.name for model in answer.models)
        return Models(
            answer.engine,
            names,
            answer.problem,
            answer.ignores_instructions,
            answer.address,
            answer.discovered,
            answer.backup_reason,
        )


async def _answers(results: AsyncIterable[ToolResult]) -> AsyncIterator[llm_pb2.ChatRequest]:
    async for result in results:
        yield request_to_proto(result)
