"""Requests that are pushed: each goes out within the call that gives it, where the stream has room, and else in order.

A stream without such room, one of gRPC's own, iterates over them. What is costly to make may be given as an iterator,
of which no more is taken than there is room for. Knows nothing of what the requests mean.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from parley._flag import Flag

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator

T = TypeVar("T")
M = TypeVar("M")
M_contra = TypeVar("M_contra", contravariant=True)


class Stream(Protocol[M_contra]):
    """A stream that says when a message can be sent at once."""

    on_room: Callable[[], None] | None
    """Called when there is room again."""

    @property
    def has_room(self) -> bool:
        """True when a message may be sent now."""
        ...

    def push(self, request: M_contra) -> None:
        """Send a message now."""

    def push_later(self, request: M_contra) -> None:
        """Send a message with the next one that cannot wait, and soon in any case."""


class Pushed(Generic[T]):
    """The requests of one call: the first one, and those that are put after it."""

    def __init__(self, first: T, sent: Callable[[T], None] | None = None) -> None:
        """Begin with `first`; `sent` is told of each other request when it has gone out."""
        self.first = first
        self._sent = sent or _forget
        self._waiting: list[Iterator[T]] = []
        self._changed = Flag()
        self._has_room: Callable[[], bool] = _never
        self._push: Callable[[T], None] = _forget
        self._push_later: Callable[[T], None] = _forget

    def put(self, request: T) -> None:
        """Send a request after all that were put before."""
        self._put(request, self._push)

    def put_later(self, request: T) -> None:
        """Send a request that nobody waits for: with the next one that cannot wait, and soon in any case."""
        self._put(request, self._push_later)

    def put_all(self, requests: Iterable[T]) -> None:
        """Send requests after all that were put before; each is asked for when it can go."""
        self._waiting.append(iter(requests))
        self._changed.set()
        self._go_on()

    def attach(self, stream: Stream[M], message: Callable[[T], M]) -> None:
        """Send what waits, and from now on what is put, as far as `stream` has room, as what `message` makes of it."""
        self._has_room = lambda: stream.has_room
        self._push = lambda request: stream.push(message(request))
        self._push_later = lambda request: stream.push_later(message(request))
        stream.on_room = self._go_on
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
                self._waiting.pop(0)
            self._changed.clear()
            await self._changed.wait()

    def _put(self, request: T, push: Callable[[T], None]) -> None:
        if self._waiting or not self._has_room():
            self.put_all((request,))
        else:
            push(request)
            self._sent(request)

    def _go_on(self) -> None:
        while self._waiting and self._has_room():
            for request in self._waiting[0]:
                self._push(request)
                self._sent(request)
                break
            else:
                self._waiting.pop(0)


def _never() -> bool:
    """There is no stream."""
    return False


def _forget(request: object) -> None:
    """Nobody is told."""
    del request
