"""A port that several gateways share. Knows nothing of what is served there, nor of sessions."""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from edge_gateway.sharing.board import BOARD, Board, Row
from edge_gateway.sharing.handover import Handover, Sent

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from edge_gateway.sharing.arrivals import Arrivals

_TELL_SECONDS: Final = 0.1
_AT_ONCE: Final = 16
# Until a gateway that has not fetched what it was handed is left out. The kernel keeps ten for it.
_PATIENCE_SECONDS: Final = 0.25
_AGAIN_SECONDS: Final = 0.002
# As the event loop does when it is out of files.
_NO_FILES_SECONDS: Final = 1.0
_HANDSHAKE_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Standing:
    """How a gateway is doing."""

    sessions: int
    """Sessions now, and newcomers that wait for their turn."""
    most: int
    """Sessions at most, or an estimate of that."""
    takes: bool
    """Another one would not be refused."""


@dataclass(frozen=True, slots=True)
class Port:
    """A port that is shared."""

    number: int
    """Its number."""
    listeners: Sequence[socket.socket]
    """What listens there, one for each family of addresses."""
    tls: ssl.SSLContext | None
    """What it is opened with; None: plaintext."""


class Doorway:
    """This gateway's part of the ports."""

    def __init__(
        self,
        folder: Path,
        protocol: Callable[[], asyncio.Protocol],
        arrivals: Arrivals,
        standing: Callable[[], Standing],
        own_port: int = 0,
    ) -> None:
        """Meet the others in `folder`; connections are served by a `protocol` each.

        Raises:
            OSError: there is no place for it.
            Unavailable: there are too many.
        """
        self._protocol, self._arrivals, self._standing, self._own_port = protocol, arrivals, standing, own_port
        self._ports: dict[int, Port] = {}
        self._me = os.getpid()
        self._loop = asyncio.get_running_loop()
        self._board = Board(folder / BOARD, self._me)
        self._handover = Handover(folder, self._me, self._handed)
        self._leaves = False
        self._tasks = asyncio.TaskGroup()
        self._opening: set[asyncio.Task[None]] = set()
        self._held: deque[tuple[float, int, socket.socket, int]] = deque()
        arrivals.changed = self._tell
        self._tell()

    @asynccontextmanager
    async def open(self, ports: Sequence[Port]) -> AsyncIterator[None]:
        """Share these ports in this block."""
        async with self._tasks:
            telling = self._tasks.create_task(self._keep_telling(), name="tell")
            self._ports = {port.number: port for port in ports}
            self._listen()
            try:
                yield
            finally:
                self._close()
                telling.cancel()
                for each in self._opening:
                    each.cancel()

    def _close(self) -> None:
        self._leaves = True
        self._tell()
        self._pause()
        for listener, port in self._listeners():
            # Who has come to this one is handed on; a listener that is closed would send them away.
            self._accept(listener, port)
            listener.close()
        self._handover.close()
        for _, _, connection, _ in self._held:
            connection.close()
        self._board.close()

    async def _keep_telling(self) -> None:
        while True:
            self._tell()
            await asyncio.sleep(_TELL_SECONDS)

    def _tell(self) -> None:
        standing = self._standing()
        load = standing.sessions + self._arrivals.count()
        takes = standing.takes and not self._leaves
        counts = (load, 0, standing.sessions, standing.most, self._own_port)
        self._board.tell(Row(self._me, time.monotonic(), takes, *counts))

    def _listeners(self) -> list[tuple[socket.socket, int]]:
        return [(each, port.number) for port in self._ports.values() for each in port.listeners]

    def _listen(self) -> None:
        for listener, port in self._listeners():
            if listener.fileno() >= 0:
                self._loop.add_reader(listener, self._accept, listener, port)

    def _pause(self, seconds: float = 0.0) -> None:
        """Let nobody in for so long; 0: for good."""
        for listener, _ in self._listeners():
            self._loop.remove_reader(listener)
        if seconds:
            self._loop.call_later(seconds, self._go_on)

    def _go_on(self) -> None:
        if self._leaves:
            return
        if self._held:
            self._hand(*self._held.popleft())
        if not self._held:
            self._listen()

    def _accept(self, listener: socket.socket, port: int) -> None:
        for _ in range(_AT_ONCE):
            if self._held and not self._leaves:
                return
            try:
                connection, _ = listener.accept()
            except (BlockingIOError, ConnectionError):
                return
            except OSError:
                # There are no more files to be had, as likely as not.
                self._pause(_NO_FILES_SECONDS)
                return
            connection.settimeout(0)
            self._place(connection, port)

    def _place(self, connection: socket.socket, port: int) -> None:
        self._tell()
        process = self._board.choose(time.monotonic())
        if process == self._me:
            self._take(connection, port)
            self._board.arrived(process)
        else:
            self._hand(time.monotonic() + _PATIENCE_SECONDS, process, connection, port)

    def _hand(self, until: float, process: int, connection: socket.socket, port: int) -> None:
        match self._handover.send(process, connection, port):
            case Sent.DONE:
                return
            case Sent.FULL if time.monotonic() < until:
                # Until it has fetched them nobody else is let in here either: they would all become ours.
                self._held.append((until, process, connection, port))
                self._pause(_AGAIN_SECONDS)
            case Sent.FULL:
                self._board.arrived(process)
                self._take(connection, port)
            case Sent.GONE:
                self._board.forget(process)
                self._place(connection, port)

    def _handed(self, connection: socket.socket, port: int) -> None:
        """A connection that was chosen for this gateway is here."""
        if self._leaves or not self._standing().takes:
            # The others did not know yet.
            self._board.arrived(self._me)
            self._place(connection, port)
            return
        self._take(connection, port)
        self._board.arrived(self._me)

    def _take(self, connection: socket.socket, port: int) -> None:
        if port not in self._ports:
            # Another gateway serves more than this one does.
            connection.close()
            return
        protocol = self._protocol()
        self._arrivals.comes(protocol)
        serving = self._serve(protocol, connection, self._ports[port].tls)
        task = self._tasks.create_task(serving, name="connection")
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)
        self._tell()

    async def _serve(self, protocol: asyncio.Protocol, connection: socket.socket, tls: ssl.SSLContext | None) -> None:
        transport: asyncio.BaseTransport | None = None
        try:
            transport, _ = await self._loop.connect_accepted_socket(
                lambda: protocol, connection, ssl=tls, ssl_handshake_timeout=_HANDSHAKE_SECONDS if tls else None
            )
            self._arrivals.is_open(protocol, transport)
        except (OSError, TimeoutError):
            # It has left, or speaks no TLS.
            return
        finally:
            if transport is None:
                self._arrivals.asked(protocol)
                connection.close()
