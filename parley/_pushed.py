"""Requests that are pushed: each goes out within the call that gives it, where the stream has room, and else in order.

A stream without such room, one of gRPC's own, iterates over them. What is costly to make may be given as an iterator,
of which no more is taken than there is room for. Knows nothing of what the requests mean.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator

T = TypeVar("T")


class Room(Protocol):
    """A stream that says when a message can be sent at once."""

    on_room: Callable[[], None] | None
    """Called when there is room again."""

    @property
    def has_room(self) -> bool:
        """True when a message may be sent now."""
        ...


class Pushed(Generic[T]):
    """The requests of one call: the first one, and those that are put after it."""

    def __init__(self, first: T, sent: Callable[[T], None] | None = None) -> None:
        """Begin with `first`; `sent` is told of each other request when it has gone out."""
        self.first = first
        self._sent = sent or _forget
        self._waiting: deque[Iterator[T]] = deque()
        self._changed = asyncio.Event()
        self._room: Room | None = None
        self._send: Callable[[T], None] = _forget

    def put(self, request: T) -> None:
        """Send a request after all that were put before."""
        if self._waiting or not self._has_room:
            self.put_all((request,))
        else:
            self._send_now(request)

    def put_all(self, requests: Iterable[T]) -> None:
        """Send requests after all that were put before; each is asked for when it can go."""
        self._waiting.append(iter(requests))
        self._changed.set()
        self._go_on()

    def attach(self, room: Room, send: Callable[[T], None]) -> None:
        """Send what waits, and from now on what is put, with `send` as far as there is `room`."""
        self._room, self._send = room, send
        room.on_room = self._go_on
        self._go_on()

    async def __aiter__(self) -> AsyncIterator[T]:
        """All of them, for a stream that asks for the next when it can take one; never ends by itself."""
        yield self.first
        async for request in self.rest():
            yield request

    async def rest(self) -> AsyncIterator[T]:
        """All but the first one."""
        while True:
            while self._waiting:
                for request in self._waiting[0]:
                    yield request
                    self._sent(request)
                self._waiting.popleft()
            self._changed.clear()
            await self._changed.wait()

    @property
    def _has_room(self) -> bool:
        return self._room is not None and self._room.has_room

    def _go_on(self) -> None:
        while self._waiting and self._has_room:
            for request in self._waiting[0]:
                self._send_now(request)
                break
            else:
                self._waiting.popleft()

    def _send_now(self, request: T) -> None:
        self._send(request)
        self._sent(request)


def _forget(request: object) -> None:
    """Nobody is told."""
    del request
