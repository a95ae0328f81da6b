"""Messages of several tasks on their way to one stream, written by one task that none of them can cancel.

grpc.aio takes one write at a time, and a write that is cancelled in flight makes the next one fail (see
`parley._duplex`). So nobody writes who may be interrupted: they put what they have to say into an `Outbox`.

On a server, over a `grpc.aio.ServicerContext`:

    async with outbox(context.write) as out:
        await out.put(message)

Knows nothing of what the messages mean.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from parley._duplex import first_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

Message = TypeVar("Message")

BOUND: Final = 50
"""Messages that may wait: one second of audio, packet by packet."""

_LAST_SECONDS: Final = 1.0


class Outbox(Generic[Message]):
    """A queue to one writer, who iterates over it; it is not copied, so it has one reader."""

    def __init__(self, bound: int = BOUND) -> None:
        """Hold `bound` messages at most; who has another waits."""
        self._bound = bound
        self._waiting: deque[Message] = deque()
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._closed = False

    async def put(self, message: Message) -> bool:
        """Have `message` written after all that were put before; waits while there is no room.

        Returns at once when there is room, before the message is written. False when it never will be: the stream is
        over. Whoever is cancelled while they wait has put nothing.
        """
        while len(self._waiting) >= self._bound and not self._closed:
            self._room.clear()
            await self._room.wait()
        if self._closed:
            return False
        self._waiting.append(message)
        self._news.set()
        return True

    def close(self) -> None:
        """Take no more; what was put is still written, and then the iteration ends."""
        self._closed = True
        self._news.set()
        self._room.set()

    async def __aiter__(self) -> AsyncGenerator[Message, None]:
        """The messages in order, each as soon as there is one; who stops to iterate closes the outbox."""
        try:
            while self._waiting or not self._closed:
                if self._waiting:
                    self._room.set()
                    yield self._waiting.popleft()
                else:
                    self._news.clear()
                    await self._news.wait()
        finally:
            self.close()


@asynccontextmanager
async def outbox(
    write: Callable[[Message], Awaitable[object]], *, bound: int = BOUND, last_seconds: float = _LAST_SECONDS
) -> AsyncIterator[Outbox[Message]]:
    """An outbox whose messages are given to `write` one after the other, by a task of its own.

    When the block is left, however that is, what was put is still written; a peer who does not take it within
    `last_seconds` loses it.

    Raises:
        Exception: whatever `write` or the block raised, never wrapped in a group. A write that fails ends the block.
    """
    out: Outbox[Message] = Outbox(bound)
    try:
        async with asyncio.TaskGroup() as tasks:
            writer = tasks.create_task(_write(out, write), name="outbox")
            try:
                yield out
            finally:
                out.close()
                await asyncio.wait((writer,), timeout=last_seconds)
                writer.cancel()
    except BaseExceptionGroup as group:
        raise first_of(group) from None


async def _write(out: Outbox[Message], write: Callable[[Message], Awaitable[object]]) -> None:
    async with aclosing(aiter(out)) as messages:
        async for message in messages:
            await write(message)
