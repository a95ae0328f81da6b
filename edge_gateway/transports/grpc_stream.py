"""Programs' way to a conversation: `ConversationService.Converse`. Knows nothing of turns."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from parley.conversation import AudioPacket, Encoding, Event, Request, event_to_proto, request_from_proto
from parley.errors import ParleyError
from parley.v1 import conversation_pb2_grpc
from serving.grpc_server import statuses

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator

    import grpc.aio

    from edge_gateway.admission import Lobby
    from parley.v1 import conversation_pb2

    Context = grpc.aio.ServicerContext[conversation_pb2.ConverseRequest, conversation_pb2.ConverseResponse]


class GrpcPeer:
    """A program behind a gRPC stream."""

    def __init__(self, requests: AsyncIterable[conversation_pb2.ConverseRequest], context: Context) -> None:
        """Speak over a stream that is open."""
        self._requests = requests
        self._context = context
        # grpc.aio takes one write at a time; events and audio come from different tasks.
        self._turn = asyncio.Lock()
        self.encoding = Encoding.OPUS
        self.reply_encoding = Encoding.OPUS

    async def received(self) -> AsyncIterator[Request | ParleyError]:
        """Requests and packets until the program closes its half; what cannot be read comes as its error."""
        async for message in self._requests:
            try:
                yield request_from_proto(message)
            except ParleyError as error:
                yield error

    async def send(self, event: Event) -> None:
        """Send an event."""
        async with self._turn:
            await self._context.write(event_to_proto(event))

    async def send_audio(self, packets: list[AudioPacket]) -> None:
        """Send packets, one message each."""
        for packet in packets:
            await self.send(packet)


class ConversationServicer(conversation_pb2_grpc.ConversationServiceServicer):
    """Holds conversations with programs."""

    def __init__(self, lobby: Lobby) -> None:
        """Let sessions in through `lobby`."""
        self._lobby = lobby

    async def Converse(  # type: ignore[override]  # noqa: N802 - grpc.aio also takes a coroutine that writes
        self, request_iterator: AsyncIterable[conversation_pb2.ConverseRequest], context: Context
    ) -> None:
        """One session, until the program closes its half."""
        async with statuses(context):
            self._lobby.check()
            await self._lobby.hold(GrpcPeer(request_iterator, context))
