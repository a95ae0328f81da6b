"""Loaded by every Python that has this folder on its path: slows the event loop of the process SLOWED_MODULE."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Coroutine


def _slow(seconds: float) -> None:
    """Have each turn of the loop take so much longer."""
    import uvloop  # noqa: PLC0415 - only where it is used at all

    run = uvloop.run

    def slowly(main: Coroutine[object, object, object], **settings: object) -> object:
        async def slowed() -> object:
            loop = asyncio.get_running_loop()

            def wait() -> None:
                time.sleep(seconds)
                loop.call_soon(wait)

            loop.call_soon(wait)
            return await main

        return run(slowed(), **settings)  # type: ignore[arg-type]  # as they were given

    uvloop.run = slowly  # type: ignore[assignment]  # the same to who calls it


if os.environ.get("SLOWED_MODULE", "") in sys.orig_argv:
    _slow(float(os.environ["SLOWED_SECONDS"]))
