"""A call on the side of the server, as its handler reads and writes it.

When a caller leaves, grpc.aio cancels the handler wherever it waits. A read, a write or a status that is cancelled in
flight is forgotten by grpc.aio, but not by its core: what the core made for it is never freed (0.15 KB a caller who
left, measured on grpcio 1.85). So no handler waits for grpc.aio itself: what is in flight when it is cancelled is
brought to its end all the same, with the call at the latest. Knows nothing of what the messages mean.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Generic, TypeVar, cast

import grpc.aio
from google.protobuf.message import DecodeError

from parley._steps import after
from serving.telemetry import TRACEPARENT

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Generator

    from google.protobuf.message import Message

    from parley._steps import Waited

Request = TypeVar("Request")
Response = TypeVar("Response")
T = TypeVar("T")

# Who leaves looks at first like who has said all: that the call is cancelled is known some turns of the loop later
# (measured: 0 to 10). What is written to them meanwhile fails, and what fails is never freed (0.24 KB, grpcio 1.85).
_TURNS_BEHIND: Final = 12
_EXPECTED: Final = (grpc.aio.BaseError, DecodeError)
"""What comes of a call that is over, of a status, and of bytes that are no message."""


class Carried:
    """A call that shares its stream with others, as both things that a handler is given.

    It is no call of gRPC, and none of the habits of grpc.aio are its own.
    """

    @property
    def room(self) -> int:
        """How many messages may be pushed: there is credit for so many, and they go at once."""
        raise NotImplementedError

    def push(self, *messages: Message) -> None:
        """Send messages together, for which there must be credit."""
        raise NotImplementedError

    async def write_later(self, message: Message) -> None:
        """Send a message that nobody waits for together with the stream's next one."""
        raise NotImplementedError


class Peer(Generic[Request, Response]):
    """Who has called: iterate over their requests, and write to them."""

    def __init__(self, requests: AsyncIterable[Request], context: grpc.aio.ServicerContext[Request, Response]) -> None:
        """Be for a handler what these two, which it was given, would be for it otherwise."""
        self._requests = aiter(requests)
        self._context = context
        self._carried = context if isinstance(context, Carried) else None

    @property
    def traceparent(self) -> str:
        """W3C traceparent in the call's metadata, where instrumented clients put it; empty: none."""
        if self._carried is not None:
            return ""
        found = (value for key, value in self._context.invocation_metadata() or () if key == TRACEPARENT)
        return next((value for value in found if isinstance(value, str)), "")

    def __aiter__(self) -> AsyncIterator[Request]:
        """Iterate over what has not been read yet; who is cancelled while they wait reads no more."""
        return self if self._carried is None else self._requests

    async def __anext__(self) -> Request:
        """The next request."""
        if self._carried is not None:
            return await anext(self._requests)
        request = await in_flight(anext(self._requests, None))
        if request is None:
            for _ in range(_TURNS_BEHIND):
                await asyncio.sleep(0)
            raise StopAsyncIteration
        return request

    @property
    def room(self) -> int:
        """How many responses may be pushed: nothing is on its way, and they go at once."""
        return self._carried.room if self._carried is not None else 0

    def push(self, *responses: Response) -> None:
        """Send responses here and now, together."""
        if self._carried is not None:
            self._carried.push(*cast("tuple[Message, ...]", responses))

    async def write_later(self, response: Response) -> None:
        """Send a response that nobody waits for; where the stream is shared it goes with the next one."""
        if self._carried is not None:
            await self._carried.write_later(cast("Message", response))
        else:
            await self.write(response)

    async def write(self, response: Response) -> None:
        """Send a response; after one that was cancelled in flight the next one fails."""
        if self._carried is not None:
            await self._context.write(response)
            return
        await in_flight(self._context.write(response))


async def in_flight(operation: Awaitable[T]) -> T:
    """What grpc.aio makes of an operation; it goes on when whoever waits for it is cancelled.

    Raises:
        grpc.aio.BaseError: the call is over.
        DecodeError: what came is no message.
    """
    # Begun at once, and carried on by who waits: a task of its own would cost two more turns of the loop a message.
    steps: Generator[Waited, None, T] = operation.__await__()
    waited: Waited = None
    try:
        waited = next(steps)
        while True:
            await _settled(waited)
            waited = next(steps)
    except StopIteration as done:
        result: T = done.value
        return result
    except asyncio.CancelledError:
        _carry_on(steps, waited)
        raise


async def _settled(waited: Waited) -> None:
    """Come back when what an operation waits for is there, or has failed: the operation itself is to see which."""
    over = asyncio.get_running_loop().create_future()

    def tell(_: object = None) -> None:
        if not over.done():
            over.set_result(None)

    after(waited, tell)
    await over


def _carry_on(steps: Generator[Waited, None, object], waited: Waited) -> None:
    """Bring an operation that nobody waits for any more to its end, which nobody is told of."""

    def step(_: object = None) -> None:
        with suppress(StopIteration, *_EXPECTED):
            _carry_on(steps, next(steps))

    after(waited, step)
