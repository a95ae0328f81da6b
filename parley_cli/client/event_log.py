"""Keeps what a gateway says, and lets others wait for it. Times are those of the listener's clock."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from parley.conversation import AudioPacket

if TYPE_CHECKING:
    from collections.abc import Callable

    from parley.conversation import Event

E = TypeVar("E")


class EventLog:
    """An observer of a `Listener` that keeps every event but sound."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.events: list[tuple[float, Event]] = []
        """What came, and when."""
        self._changed = asyncio.Event()

    def __call__(self, now: float, event: Event) -> None:
        """Keep an event."""
        if not isinstance(event, AudioPacket):
            self.events.append((now, event))
            self._changed.set()

    def of(self, kind: type[E]) -> list[E]:
        """The events of one kind."""
        return [event for _, event in self.events if isinstance(event, kind)]

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait until something is true that events may change; the caller sets the limit."""
        while not true():
            self._changed.clear()
            await self._changed.wait()

    async def first(self, kind: type[E]) -> E:
        """The first event of a kind, which may have come already."""
        await self.until(lambda: bool(self.of(kind)))
        return self.of(kind)[0]
