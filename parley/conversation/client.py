"""Client of a gateway: a whole conversation over gRPC, as requests and events.

Knows nothing of microphones, loudspeakers or codecs.
"""

from __future__ import annotations

import contextlib
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, Self

from parley._channel import MAX_CHAT_MESSAGE_BYTES, open_channel
from parley._duplex import Translated, duplex
from parley._outbox import Outbox
from parley.conversation.events import ErrorCode, ErrorEvent, Ping, SessionReady
from parley.conversation.requests import Pong, SessionConfig, UserText
from parley.conversation.wire import SERVICE, event_from_proto, request_to_proto
from parley.errors import (
    AudioLost,
    DeadlinePassed,
    EngineFailed,
    InvalidInput,
    NotFound,
    Overloaded,
    ParleyError,
    ShuttingDown,
    TooLarge,
    Unavailable,
    WrongState,
)
from parley.v1 import conversation_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable

    from parley._tls import Tls
    from parley.conversation.events import Event
    from parley.conversation.requests import Request
    from parley.v1 import conversation_pb2

_ERRORS: Final[dict[ErrorCode, type[ParleyError]]] = {
    ErrorCode.INVALID_INPUT: InvalidInput,
    ErrorCode.WRONG_STATE: WrongState,
    ErrorCode.TOO_LARGE: TooLarge,
    ErrorCode.UNAVAILABLE: Unavailable,
    ErrorCode.DEADLINE: DeadlinePassed,
    ErrorCode.OVERLOADED: Overloaded,
    ErrorCode.NOT_FOUND: NotFound,
    ErrorCode.AUDIO_LOST: AudioLost,
    ErrorCode.SHUTTING_DOWN: ShuttingDown,
}


class Conversation:
    """An open conversation: what is sent, and the events that come, whatever carries them.

    Iterate over it all the time, for that is when the gateway's pings are answered; they do not come out. The first
    event is `SessionReady`, unless `configure` has waited for it.
    """

    def __init__(
        self,
        send: Callable[[Request], Awaitable[None]],
        events: AsyncIterator[Event],
        finish: Callable[[], None] | None = None,
    ) -> None:
        """Join the two halves of a conversation, of which nothing has been read yet; `finish` closes the first."""
        self._send = send
        self._events = events
        self._finish = finish
        self._ready: SessionReady | None = None
        self._clock_offset = time.time() - time.monotonic()

    @property
    def ready(self) -> SessionReady:
        """What the session is like.

        Raises:
            WrongState: it is not ready yet.
        """
        if self._ready is None:
            raise WrongState("the session is not ready yet")
        return self._ready

    def now(self) -> float:
        """The clock that the gateway is told of: seconds since the Unix epoch; it never jumps."""
        return time.monotonic() + self._clock_offset

    async def send(self, request: Request) -> None:
        """Send a request, or a packet of sound.

        Raises:
            Unavailable: the conversation is over; why is raised where the events are read.
        """
        await self._send(request)

    async def send_text(self, text: str) -> None:
        """Say something in writing.

        Raises:
            Unavailable: the conversation is over; why is raised where the events are read.
        """
        await self._send(UserText(text))

    def finish(self) -> None:
        """Say no more: the gateway lets the reply that it has begun finish, and with it the events end.

        Raises:
            WrongState: what carries the conversation can only be closed in both directions at once.
        """
        if self._finish is None:
            raise WrongState("this conversation cannot be closed in one direction alone")
        self._finish()

    async def configure(self, config: SessionConfig) -> SessionReady:
        """Send the first request, and wait until the session is ready.

        Raises:
            ParleyError: the gateway refuses, or a server behind it is not there; `retryable` says whether later may be
                better.
        """
        await self._send(config)
        async for event in self:
            if isinstance(event, SessionReady):
                return event
            if isinstance(event, ErrorEvent):
                raise error_of(event)
        raise Unavailable("the gateway ended the session before it was ready")

    def __aiter__(self) -> Self:
        """Iterate over the events, packets of replies among them."""
        return self

    async def __anext__(self) -> Event:
        """The next event.

        Raises:
            ParleyError: the gateway ended the session, and says why.
        """
        while isinstance(event := await anext(self._events), Ping):
            received = round(self.now() * 1e6)
            # Who is gone says why where the events are read, which is here.
            with contextlib.suppress(Unavailable):
                await self._send(Pong(event.id, received, round(self.now() * 1e6)))
        if isinstance(event, SessionReady):
            self._ready = event
        elif isinstance(event, ErrorEvent) and event.ends_session:
            raise error_of(event)
        return event


class ConversationClient:
    """Client of a gateway's `ConversationService`.

    Example:
        async with ConversationClient("localhost:50050") as gateway, gateway.open(SessionConfig()) as conversation:
            await conversation.send_text("hello")
            async for event in conversation: ...
    """

    def __init__(self, address: str, *, tls: Tls | None = None) -> None:
        """Prepare a channel to `address`; it connects with the first call.

        Args:
            address: "host:port", or "https://host:port" where the gateway's port speaks TLS.
            tls: authorities that are believed, and a certificate where the gateway asks for one; None: the system's.

        Raises:
            InvalidInput: the address or the certificates cannot be used.
            Unavailable: the package that reads certificates is not installed.
        """
        self._channel = open_channel(address, SERVICE, MAX_CHAT_MESSAGE_BYTES, tls=tls)
        self._stub: conversation_pb2_grpc.ConversationServiceAsyncStub = conversation_pb2_grpc.ConversationServiceStub(
            self._channel
        )

    async def __aenter__(self) -> Self:
        """Use the client as a block."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the channel."""
        await self.close()

    async def close(self) -> None:
        """End every call and close the channel."""
        await self._channel.close()

    @asynccontextmanager
    async def open(self, config: SessionConfig | None = None) -> AsyncIterator[Conversation]:
        """Hold a session as a `Conversation`; leaving the block ends it. Without `config`, nothing is sent yet.

        Raises:
            ParleyError: the gateway refused, failed or went away; raised here, and where the events are read.
        """
        out: Outbox[conversation_pb2.ConverseRequest] = Outbox()

        async def send(request: Request) -> None:
            if not await out.put(request_to_proto(request)):
                raise Unavailable("the conversation with the gateway is over")

        async with duplex(self._stub.Converse, out, "gateway") as responses:
            conversation = Conversation(send, Translated(responses, event_from_proto), out.close)
            if config is not None:
                await conversation.configure(config)
            yield conversation

    @asynccontextmanager
    async def converse(self, requests: AsyncIterable[Request]) -> AsyncIterator[AsyncIterator[Event]]:
        """Hold a session; the first request must be a `SessionConfig`, the first event is `SessionReady`.

        Here the requests are iterated over, and their end is told to the gateway, which lets the reply finish. Pings
        are events like all others: who wants to be measured answers them.

        Raises:
            ParleyError: the gateway refused, failed or went away; raised where the events are read.
        """
        async with duplex(self._stub.Converse, _requests(requests), "gateway") as responses:
            yield Translated(responses, event_from_proto)


@asynccontextmanager
async def connect(
    address: str, config: SessionConfig | None = None, *, tls: Tls | None = None
) -> AsyncIterator[Conversation]:
    """A conversation with the gateway at `address`, ready to be spoken to; leaving the block ends it.

    Example:
        async with connect("localhost:50050") as conversation:
            await conversation.send_text("What is seven times eight?")
            async for event in conversation: ...

    Args:
        address: the gateway's gRPC port, "host:port", "http://host:port", or "https://host:port" for TLS.
        config: how the session is to be held; None: as the gateway does by itself.
        tls: authorities that are believed, such as `Tls(ca="ca.pem")`; None: with "https" the system's.

    Raises:
        ParleyError: nothing answers there, or the gateway refused, failed or went away; raised here, and where the
            events are read.
    """
    async with ConversationClient(address, tls=tls) as client, client.open(config or SessionConfig()) as conversation:
        yield conversation


def error_of(event: ErrorEvent) -> ParleyError:
    """An error event as the error that it would have been as a status."""
    kind = _ERRORS.get(event.code, EngineFailed)
    return kind(event.message, field=event.field, retry_after_ms=event.retry_after_ms)


async def _requests(requests: AsyncIterable[Request]) -> AsyncIterator[conversation_pb2.ConverseRequest]:
    async for request in requests:
        yield request_to_proto(request)
