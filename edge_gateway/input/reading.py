"""Reads the events of a stream, and can be told to stop: between two events, never while one is acted on.

Knows nothing of what the events mean.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from types import TracebackType

T = TypeVar("T")


class Reading:
    """A block of the task that reads; `stop` ends it with a TimeoutError.

    What an event leads to is done by the same task, and must not be cancelled half-way by a deadline of the stream.
    """

    def __init__(self) -> None:
        """Prepare."""
        self._task: asyncio.Task[object] | None = None
        self._cancellations = 0
        self._acts = self._is_stopped = self._has_cancelled = False

    async def __aenter__(self) -> Self:
        """Begin; whatever the block waits for may be stopped."""
        self._task = asyncio.current_task()
        self._cancellations = self._task.cancelling() if self._task is not None else 0
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End; a stop shows as what it is, unless the task was cancelled by somebody else too.

        Raises:
            TimeoutError: it was stopped.
        """
        task, self._task = self._task, None
        if task is None or not self._has_cancelled:
            return
        is_ours = task.uncancel() <= self._cancellations
        if is_ours and kind is not None and issubclass(kind, asyncio.CancelledError):
            raise TimeoutError from error

    def stop(self) -> bool:
        """Stop reading; False: that cannot be now."""
        if self._task is None or self._acts or self._is_stopped:
            return False
        self._is_stopped = True
        if self._task is not asyncio.current_task():
            self._has_cancelled = True
            self._task.cancel()
        return True

    async def each(
        self, events: AsyncIterator[T], act: Callable[[T], Awaitable[None]], between: Callable[[], None]
    ) -> None:
        """Act on each event until they end; `between` two of them it may be stopped.

        Raises:
            TimeoutError: it was stopped.
        """
        async for event in events:
            self._acts = True
            try:
                await act(event)
            finally:
                self._acts = False
            between()
            if self._is_stopped:
                raise TimeoutError
