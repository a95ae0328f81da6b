"""A bidirectional call as a block: our own task writes the requests, and leaving the block ends the call.

Three habits of grpc.aio (measured on grpcio 1.85) make this the seam of the project:

1. An exception in a request iterator handed to a stub is swallowed, and shows as a cancellation. Here the requests
   are written by a task of the same group, so their exception is the one that the block raises.
2. A reader that is cancelled in the middle of an item leaves the server's handler running. Here `call.cancel()` runs
   in a `finally`.
3. On the server a client's cancellation is a `CancelledError` at an await and a `GeneratorExit` at a yield, so
   servers clean up in `finally` only.

Knows nothing of what the messages mean.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

import grpc.aio

from parley.errors import from_rpc

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Callable

Request = TypeVar("Request")
Response = TypeVar("Response")


@asynccontextmanager
async def duplex(
    start: Callable[[], grpc.aio.StreamStreamCall[Request, Response]], requests: AsyncIterable[Request], hop: str
) -> AsyncIterator[AsyncIterator[Response]]:
    """Start a call, write `requests` to it, and iterate over its responses.

    Args:
        start: makes the call, without a request iterator.
        requests: written one after the other, each when the peer can take it; their end closes our half.
        hop: name of the server for error messages.

    Raises:
        ParleyError: the call failed; raised where the responses are read.
        Exception: whatever `requests` or the block raised, never wrapped in a group.
    """
    call = start()
    try:
        async with asyncio.TaskGroup() as tasks:
            writer = tasks.create_task(_write(call, requests), name=f"{hop} requests")
            yield _read(call, hop)
            writer.cancel()
    except BaseExceptionGroup as group:
        raise first_of(group) from None
    finally:
        call.cancel()


async def _write(call: grpc.aio.StreamStreamCall[Request, Response], requests: AsyncIterable[Request]) -> None:
    async for request in requests:
        try:
            await call.write(request)
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            # The call is over; its status reaches the reader, who can say more than the writer.
            return
    if not call.done():
        await call.done_writing()


async def _read(call: grpc.aio.StreamStreamCall[Request, Response], hop: str) -> AsyncIterator[Response]:
    try:
        async for response in call:
            yield response
    except grpc.aio.AioRpcError as error:
        raise from_rpc(error, hop) from error


def first_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The exception that mattered: the first one, for the others are its consequences.

    Where the task is being cancelled, that is what matters: a task group in which something fails at the same time
    forgets it (CPython 3.11 and 3.12), and who cancels a task waits for its end.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        return asyncio.CancelledError()
    first = group.exceptions[0]
    return first_of(first) if isinstance(first, BaseExceptionGroup) else first
