"""A connection goes from the process that has accepted it to another one, through a Unix socket (SCM_RIGHTS)."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import errno
import os
import socket
import stat
import struct
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from parley.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_PORT: Final = struct.Struct("=H")
_FILE: Final = struct.Struct("@i")
_AT_ONCE: Final = 64


class Sent(enum.Enum):
    """What became of a connection."""

    DONE = enum.auto()
    """It is the other's."""
    FULL = enum.auto()
    """The other has not fetched those before it."""
    GONE = enum.auto()
    """There is nobody."""


class Handover:
    """Where one gateway is handed connections, and hands on others."""

    def __init__(self, folder: Path, process: int, taken: Callable[[socket.socket, int], None]) -> None:
        """Open this gateway's socket in `folder`; `taken` is called with a connection and the port that it came to.

        Raises:
            OSError: it cannot be opened.
        """
        self._folder, self._taken = folder, taken
        self._path = folder / f"{process}.sock"
        self._path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.settimeout(0)
        self._socket.bind(str(self._path))
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket, self._receive)

    def close(self) -> None:
        """Take what was sent before, and nothing any more."""
        self._path.unlink(missing_ok=True)
        self._receive()
        self._loop.remove_reader(self._socket)
        self._socket.close()

    def send(self, process: int, connection: socket.socket, port: int) -> Sent:
        """Hand `connection`, which came to `port`, to another gateway; it is closed here where that is done."""
        path = self._folder / f"{process}.sock"
        try:
            # Not by `socket.send_fds`, which sends to no address (3.11).
            rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, _FILE.pack(connection.fileno()))
            self._socket.sendmsg([_PORT.pack(port)], [rights], 0, str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
            return Sent.GONE
        except OSError:
            # Too much waits for it, or too many connections are on their way on this machine.
            return Sent.FULL
        connection.close()
        return Sent.DONE

    def _receive(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                message, files, _, _ = socket.recv_fds(self._socket, _PORT.size, 1)
            except BlockingIOError:
                return
            for file in files:
                connection = socket.socket(fileno=file)
                connection.settimeout(0)
                self._taken(connection, *_PORT.unpack(message))


def meeting_place(environment: Mapping[str, str], host: str, port: int) -> Path:
    """The folder in which the gateways on `host` and `port` meet: one of this user's alone.

    Raises:
        Unavailable: there can be none.
    """
    base = Path(environment.get("XDG_RUNTIME_DIR", "").strip() or tempfile.gettempdir()) / f"parley-{os.getuid()}"
    folder = base / f"gateways-{host.strip('[]') or 'all'}-{port}"
    try:
        _make_private(base)
        _make_private(folder)
    except OSError as error:
        raise Unavailable(
            f"the gateways of this port cannot meet in {folder} ({error.strerror or error}): name another folder in "
            "XDG_RUNTIME_DIR, or leave PARLEY_GATEWAY_REUSE_PORT out"
        ) from error
    return folder


def _make_private(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    known = folder.lstat()
    # Somebody else may have made it first, and would be handed our connections.
    if not stat.S_ISDIR(known.st_mode) or known.st_uid != os.getuid():
        raise PermissionError(errno.EPERM, f"{folder} is somebody else's")
    folder.chmod(0o700)
