"""A way between two processes that can be cut: what goes through it is passed on, until nothing does any more."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_AT_ONCE: Final = 65_536


class Way:
    """From a port of this machine to another."""

    def __init__(self) -> None:
        """Lead nowhere yet."""
        self.port = self.target = 0
        self.is_cut = False
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def address(self) -> str:
        """Where it begins."""
        return f"127.0.0.1:{self.port}"

    def cut(self) -> None:
        """Let nothing through, from now on."""
        self.is_cut = True
        for writer in self._writers:
            writer.close()

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass a connection on until one of its ends is closed."""
        if self.is_cut or not self.target:
            writer.close()
            return
        there, back = await asyncio.open_connection("127.0.0.1", self.target)
        self._writers |= {writer, back}
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_pass_on(reader, back))
                tasks.create_task(_pass_on(there, writer))
        finally:
            self._writers -= {writer, back}


@asynccontextmanager
async def open_way() -> AsyncIterator[Way]:
    """A way, until the block is left; its target is set when it is known."""
    way = Way()
    server = await asyncio.start_server(way.take, "127.0.0.1", 0)
    way.port = server.sockets[0].getsockname()[1]
    async with server:
        yield way
        way.cut()
        server.close()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(_AT_ONCE):
            writer.write(data)
            await writer.drain()
    writer.close()
