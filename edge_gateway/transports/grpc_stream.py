"""Programs' way to a conversation: `ConversationService.Converse`. Knows nothing of turns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from google.protobuf.message import DecodeError

from edge_gateway.transports.forwarded import FORWARDED, X_FORWARDED_FOR, TrustedProxies, grpc_peer
from parley._outbox import outbox
from parley.conversation import AudioPacket, Encoding, Event, Request, event_to_proto, request_from_proto
from parley.errors import InvalidInput, ParleyError
from parley.v1 import conversation_pb2_grpc
from serving.call_status import UNREADABLE, statuses
from serving.calls import Peer

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Callable

    import grpc.aio

    from edge_gateway.admission import Admission
    from parley._outbox import Outbox
    from parley.v1 import conversation_pb2

    Context = grpc.aio.ServicerContext[conversation_pb2.ConverseRequest, conversation_pb2.ConverseResponse]


# What a program that reads slowly may leave unread before it holds up its session: more than is sent ahead of playback.
_WAITING_EVENTS: Final = 64


class GrpcConnection:
    """A program behind a gRPC stream."""

    def __init__(
        self,
        requests: AsyncIterable[conversation_pb2.ConverseRequest],
        outgoing: Outbox[conversation_pb2.ConverseResponse],
        caller: str = "",
        address: str = "",
    ) -> None:
        """Speak over a stream that is open, that the span of the traceparent `caller` has opened, from `address`."""
        self.caller = caller
        self.address = address
        self._requests = requests
        self._outgoing = outgoing
        self.encoding = Encoding.OPUS
        self.reply_encoding = Encoding.OPUS
        self.half_closed = False
        self.unreadable = False
        """What came last was no message; nothing can be read after it."""

    async def received(self, hear: Callable[[AudioPacket], None]) -> AsyncIterator[Request | ParleyError]:
        """Requests until the program closes its half, packets to `hear`; what cannot be read comes as its error."""
        try:
            async for message in self._requests:
                request = _read(message, hear)
                if request is not None:
                    yield request
            self.half_closed = True
        except DecodeError:
            self.unreadable = True

    async def send(self, event: Event) -> None:
        """Send an event; waits while the program reads slowly."""
        await self._outgoing.put(event_to_proto(event))

    async def send_audio(self, packets: list[AudioPacket]) -> None:
        """Send packets, one message each."""
        for packet in packets:
            await self.send(packet)


class ConversationServicer(conversation_pb2_grpc.ConversationServiceServicer):
    """Holds conversations with programs."""

    def __init__(self, admission: Admission, proxies: TrustedProxies | None = None) -> None:
        """Let sessions in through `admission`; `proxies` tell for whom they ask."""
        self._admission = admission
        self._proxies = proxies or TrustedProxies()

    async def Converse(  # type: ignore[override]  # noqa: N802 - grpc.aio also takes a coroutine that writes
        self, request_iterator: AsyncIterable[conversation_pb2.ConverseRequest], context: Context
    ) -> None:
        """One session, until the program closes its half."""
        async with statuses(context):
            await self._admission.enter()
            peer = Peer(request_iterator, context)
            async with outbox(peer.write, bound=_WAITING_EVENTS) as outgoing:
                connection = GrpcConnection(peer, outgoing, peer.traceparent, self._client_address(context))
                await self._admission.hold(connection)
            if connection.unreadable:
                raise InvalidInput(UNREADABLE, field="request")

    def _client_address(self, context: Context) -> str:
        said: dict[str, list[str]] = {X_FORWARDED_FOR: [], FORWARDED: []}
        for key, value in context.invocation_metadata() or ():
            if key in said and isinstance(value, str):
                said[key].append(value)
        return self._proxies.client(grpc_peer(context.peer()), said[X_FORWARDED_FOR], said[FORWARDED])


def _read(
    message: conversation_pb2.ConverseRequest, hear: Callable[[AudioPacket], None]
) -> Request | ParleyError | None:
    """A request, or what was wrong with it; None: it was sound, which is heard."""
    try:
        request = request_from_proto(message)
        if not isinstance(request, AudioPacket):
            return request
        hear(request)
    except ParleyError as error:
        return error
    return None
