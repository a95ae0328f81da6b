"""The next step of a coroutine that no task runs. Knows nothing of what it does."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    Waited: TypeAlias = asyncio.Future[object] | None
    """What a coroutine gives when it waits: a future, or None for the loop's next turn."""


def after(waited: Waited, call: Callable[..., None]) -> None:
    """Have `call` called, perhaps with what was waited for, when that is there or has failed."""
    if waited is None:
        asyncio.get_running_loop().call_soon(call)
        return
    # As a task does that is given a future by what it runs.
    waited._asyncio_future_blocking = False  # noqa: SLF001 - the protocol between a coroutine and who runs it
    waited.add_done_callback(call)
