"""Programs of others that tests start, and what comes about in them some time."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, TypeVar

import aiohttp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

PATIENCE_SECONDS: Final = 60.0
"""Longest that anything is waited for here; nothing takes this long unless it is broken."""
_ASK_AGAIN_SECONDS: Final = 0.2

T = TypeVar("T")


@asynccontextmanager
async def running(folder: Path, name: str, *command: str, **settings: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A program, ended with SIGTERM when the block is left; what it says stands in `NAME.log`."""
    log = folder / f"{name}.log"
    with log.open("wb") as said:
        process = await asyncio.create_subprocess_exec(
            *command, env={**os.environ, **settings}, stdout=said, stderr=said, cwd=folder
        )
    try:
        yield process
        assert process.returncode is None, f"{name} ended by itself:\n{log.read_text()[-4000:]}"
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def eventually(attempt: Callable[[], Awaitable[T | None]], what: str, seconds: float = PATIENCE_SECONDS) -> T:
    """What `attempt` gives as soon as it gives something; nobody tells us when it would."""
    async with asyncio.timeout(seconds) as limit:
        try:
            while True:
                try:
                    found = await attempt()
                except aiohttp.ClientError:
                    found = None
                if found is not None:
                    return found
                await pass_by(_ASK_AGAIN_SECONDS)
        except asyncio.CancelledError:
            if limit.expired():
                raise AssertionError(f"{what} did not come about in {seconds:.0f} s") from None
            raise


async def pass_by(seconds: float) -> None:
    """Come back when so much time is over."""
    over = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, over.set)
    await over.wait()


async def get_json(url: str, **parameters: str) -> object:
    """The JSON at an address; None where the answer is no 200."""
    async with aiohttp.ClientSession() as http, http.get(url, params=parameters) as response:
        return await response.json() if response.ok else None


async def get_text(url: str) -> str | None:
    """The text at an address; None where the answer is no 200."""
    async with aiohttp.ClientSession() as http, http.get(url) as response:
        return await response.text() if response.ok else None
