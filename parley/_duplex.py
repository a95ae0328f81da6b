"""A bidirectional call as a block: our own tasks write and read, and leaving the block ends the call.

Six habits of grpc.aio (measured on grpcio 1.85) make this the seam of the project:

1. An exception in a request iterator handed to a stub is swallowed, and shows as a cancellation. Here the requests
   are written by a task of the same group, so their exception is the one that the block raises.
2. A reader that is cancelled in the middle of an item leaves the server's handler running. Here `call.cancel()` runs
   however the block is left.
3. On the server a client's cancellation is a `CancelledError` at an await and a `GeneratorExit` at a yield, so
   servers clean up in `finally` only.
4. A read or write that is cancelled in flight is forgotten by grpc.aio, but not by its core: what arrives for it is
   never freed, and the next write fails. Here the call is cancelled first, which ends what is in flight, and only
   then the tasks; whoever reads waits for our task, never for grpc.aio.
5. A write that meets the end of a call makes grpc.aio forget the status that the server sent; see `parley.errors`.
6. Operations that fail are never freed (80 to 240 bytes each), and a call that is cancelled while it begins fails
   three. Here who leaves lets it begin first, for a moment.

Knows nothing of what the messages mean.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Final, Generic, Self, TypeVar, cast

import grpc.aio

from parley.errors import ParleyError, Unavailable, from_rpc

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable

T = TypeVar("T")
Request = TypeVar("Request")
Response = TypeVar("Response")

# How long a call that is left may take to begin. A peer that reads and answers at once needs about 2 ms.
_ARRIVAL_SECONDS: Final = 0.01
_AHEAD: Final = 4
"""Responses that are read before they are asked for: those that come together are taken together."""


@asynccontextmanager
async def duplex(
    start: Callable[[], grpc.aio.StreamStreamCall[Request, Response]], requests: AsyncIterable[Request], hop: str
) -> AsyncIterator[AsyncIterator[Response]]:
    """Start a call, write `requests` to it, and iterate over its responses.

    Args:
        start: makes the call, without a request iterator.
        requests: written one after the other, each when the peer can take it; their end closes our half. A generator
            is closed when the call is over.
        hop: name of the server for error messages.

    Raises:
        ParleyError: the call failed; raised where the responses are read.
        Exception: whatever `requests` or the block raised, never wrapped in a group.
    """
    call = start()
    stream = _Stream(call, hop)
    try:
        async with asyncio.TaskGroup() as tasks:
            stream.begin(tasks, requests)
            try:
                yield stream.responses
            finally:
                await stream.end()
    except BaseExceptionGroup as group:
        error = first_of(group)
        # What grpc said of a call stays with what became of it.
        raise error from error.__cause__
    finally:
        call.cancel()


class _Side:
    """One direction of a call: a task that is not cancelled while grpc.aio works for it."""

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None
        self._in_flight = False
        self._ending = False

    def begin(self, task: asyncio.Task[None]) -> None:
        self._task = task

    async def fly(self, operation: Callable[[], Awaitable[T]]) -> T:
        """Have grpc.aio do something; the task calls it."""
        self._in_flight = True
        try:
            return await operation()
        finally:
            self._in_flight = False
            self._cancel_if_ending()

    async def end(self) -> None:
        """End the task; the call must have been cancelled, for this ends what is in flight."""
        self._ending = True
        self._cancel_if_ending()
        if self._task is not None:
            await until_done(self._task)
            # The task holds what it was made of: without this each call would be garbage that waits for a collection.
            self._task = None

    def _cancel_if_ending(self) -> None:
        if self._ending and not self._in_flight and self._task is not None:
            self._task.cancel()


class _Responses(Generic[Response]):
    """What has been read and not yet taken."""

    def __init__(self) -> None:
        self._read: deque[Response] = deque()
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._over = False
        self._failure: ParleyError | None = None

    async def put(self, response: Response) -> None:
        """Keep a response, and wait until there is room for another."""
        self._read.append(response)
        self._changed.set()
        while len(self._read) >= _AHEAD:
            self._room.clear()
            await self._room.wait()

    def finish(self, failure: ParleyError | None = None) -> None:
        """No more will come, perhaps because of a failure."""
        self._failure = self._failure or failure
        self._over = True
        self._changed.set()

    def forget(self) -> None:
        """Nobody reads any more, and nothing is kept for anybody."""
        self.finish()
        self._read.clear()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Response:
        while not self._read:
            if self._failure is not None:
                raise self._failure
            if self._over:
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        self._room.set()
        return self._read.popleft()


class Translated(Generic[Response, T]):
    """Responses as what they mean. Who waits for the next one may be cancelled, and ask again."""

    def __init__(self, responses: AsyncIterator[Response], translate: Callable[[Response], T | None]) -> None:
        """Leave out the responses of which `translate` makes None."""
        self._responses = responses
        self._translate = translate

    def __aiter__(self) -> Self:
        """Iterate over what has not been taken yet."""
        return self

    async def __anext__(self) -> T:
        """The next one."""
        while (meaning := self._translate(await anext(self._responses))) is None:
            pass
        return meaning


class _Stream(Generic[Request, Response]):
    """A call that runs."""

    def __init__(self, call: grpc.aio.StreamStreamCall[Request, Response], hop: str) -> None:
        self.responses: _Responses[Response] = _Responses()
        self._call = call
        self._hop = hop
        self._reader, self._writer = _Side(), _Side()
        self._ending = self._left = False
        self._calm = asyncio.Event()
        """Set while nothing that we send is on its way."""
        self._answered = asyncio.Event()
        """Set once the peer has said something, or will not."""

    def begin(self, tasks: asyncio.TaskGroup, requests: AsyncIterable[Request]) -> None:
        self._reader.begin(tasks.create_task(self._read(), name=f"{self._hop} responses"))
        self._writer.begin(tasks.create_task(self._write(requests), name=f"{self._hop} requests"))

    async def end(self) -> None:
        """End the call, and both tasks with it."""
        self._ending = True
        try:
            if not self._call.done():
                with suppress(TimeoutError):
                    async with asyncio.timeout(_ARRIVAL_SECONDS):
                        await self._answered.wait()
                        await self._calm.wait()
        finally:
            await self._end()

    async def _end(self) -> None:
        self._leave()
        try:
            await self._writer.end()
        finally:
            await self._reader.end()
            self.responses.forget()

    def _leave(self) -> None:
        self._left = True
        self._call.cancel()

    async def _read(self) -> None:
        try:
            while (response := await self._reader.fly(self._call.read)) is not grpc.aio.EOF:
                self._answered.set()
                await self.responses.put(cast("Response", response))
        except grpc.aio.AioRpcError as error:
            failure = from_rpc(error, self._hop)
            failure.__cause__ = error
            self.responses.finish(failure)
        except asyncio.CancelledError:
            if not self._left:
                self.responses.finish(Unavailable(f"the call of the {self._hop} server was cancelled"))
            raise
        else:
            self.responses.finish()
        finally:
            self._answered.set()

    async def _write(self, requests: AsyncIterable[Request]) -> None:
        messages = aiter(requests)
        complete = False
        try:
            if await self._sent(self._call.wait_for_connection()):
                async for request in messages:
                    if not await self._sent(self._writer.fly(partial(self._call.write, request))) or self._ending:
                        break
                else:
                    await self._sent(self._writer.fly(self._call.done_writing))
            complete = True
        finally:
            if not complete:
                # The group is about to cancel the reader, which must not be in flight then.
                self._leave()
                await self._writer.fly(self._reader.end)
            if isinstance(messages, AsyncGenerator):
                await messages.aclose()

    async def _sent(self, operation: Awaitable[None]) -> bool:
        """Send something; False when the call is over. Its status reaches the reader, who can say more."""
        self._calm.clear()
        try:
            await operation
        except (grpc.aio.AioRpcError, grpc.aio.InternalError, asyncio.InvalidStateError):
            return False
        finally:
            self._calm.set()
        return not self._call.done()


async def joined(first: T, rest: AsyncIterable[T] | None) -> AsyncIterator[T]:
    """`first`, and then the `rest`, if there is one."""
    yield first
    if rest is not None:
        async for each in rest:
            yield each


async def until_done(task: asyncio.Task[None]) -> None:
    """Wait until a task is over that is sure to be over soon, however often we are cancelled meanwhile."""
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait((task,))
        except asyncio.CancelledError as error:
            cancelled = error
    try:
        if cancelled is not None:
            raise cancelled
    finally:
        # An error holds the frame that it was raised in, which would hold the error.
        del cancelled


def first_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The exception that mattered: the first one, for the others are its consequences."""
    first = group.exceptions[0]
    return first_of(first) if isinstance(first, BaseExceptionGroup) else first
