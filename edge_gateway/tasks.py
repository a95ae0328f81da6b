"""Ends tasks, and waits until they are over."""

from __future__ import annotations

import asyncio
from typing import Final

_AGAIN_SECONDS: Final = 0.1


async def end(task: asyncio.Task[None]) -> None:
    """Cancel a task until it obeys.

    A task group in which something fails at the very moment of a cancellation forgets that it was cancelled (CPython
    3.11 and 3.12), and the task goes on: so it is asked again.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=_AGAIN_SECONDS)
