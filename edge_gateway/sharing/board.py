"""What each of the gateways on a port has at the moment, in a file that all of them have mapped.

Who is next is chosen and counted in one step under a lock of that file, so that connections which are accepted at the
same time by several gateways still go to different ones. The kernel gives a lock back when its holder dies.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from parley.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BOARD: Final = "board"
"""Name of the file in the folder in which the gateways of a port meet."""
# Process id, when it was last heard of, whether it takes connections, its load, what is on its way to it, sessions now
# and at most, and its own port.
_ROW: Final = struct.Struct("=Qd?7xIIIII4x")
_ROWS: Final = 32
_NOBODY: Final = 0
_BYTES: Final = _ROWS * _ROW.size
# Who was not heard of for so long hangs or is gone; its place is somebody else's after the second.
_SILENT_SECONDS: Final = 1.0
_GONE_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Row:
    """One gateway."""

    process: int
    """Its process id; 0: nobody's row."""
    heard: float = 0.0
    """When it was last heard of, seconds on the machine's steady clock."""
    takes: bool = True
    """It takes connections: it is neither overloaded nor about to stop."""
    load: int = 0
    """Its sessions, and connections that may become one."""
    coming: int = 0
    """Connections that are on their way to it."""
    sessions: int = 0
    """Sessions now."""
    most: int = 0
    """Sessions at most, or an estimate of that."""
    own_port: int = 0
    """Port that is its alone; 0: none."""


def next_of(rows: list[Row], me: int, now: float) -> int:
    """The process whose turn the next connection is: the one with the least to do, `me` before others."""
    able = [row for row in rows if row.process == me or (row.takes and now - row.heard <= _SILENT_SECONDS)]
    best = min(able, key=lambda row: (not row.takes, row.load + row.coming, row.process != me), default=None)
    return me if best is None else best.process


class Board:
    """The rows of all, and one of one's own."""

    def __init__(self, path: Path, process: int) -> None:
        """Open the file, or make it, for a gateway with this process id.

        Raises:
            OSError: it cannot be made.
        """
        self._me = process
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.ftruncate(self._file, _BYTES)
        self._map = mmap.mmap(self._file, _BYTES)

    def close(self) -> None:
        """Give one's row back."""
        self.forget(self._me)
        self._map.close()
        os.close(self._file)

    def tell(self, row: Row) -> None:
        """Put down what this gateway has; what is on its way to it stays as it is.

        Raises:
            Unavailable: there are too many gateways on this port.
        """
        with self._locked():
            rows = self._rows()
            own = next((place for place, each in rows.items() if each.process == self._me), None)
            place = _free(rows, row.heard) if own is None else own
            coming = 0 if own is None else rows[own].coming
            self._write(place, replace(row, process=self._me, coming=coming))

    def choose(self, now: float) -> int:
        """The process that is to have the next connection, which counts for it from now on."""
        with self._locked():
            chosen = next_of(list(self._rows().values()), self._me, now)
            self._count(chosen, 1)
            return chosen

    def arrived(self, process: int) -> None:
        """A connection is no longer on its way to `process`: it is there, or could not be sent."""
        with self._locked():
            self._count(process, -1)

    def forget(self, process: int) -> None:
        """That process is gone."""
        with self._locked():
            for place, row in self._rows().items():
                if row.process == process:
                    self._write(place, Row(0))

    def gateways(self, now: float) -> list[Row]:
        """All that were heard of a moment ago, in the order of their own ports."""
        with self._locked():
            rows = self._rows().values()
        return sorted((row for row in rows if now - row.heard <= _SILENT_SECONDS), key=lambda row: row.own_port)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        # Held for some microseconds.
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def _rows(self) -> dict[int, Row]:
        """Those that are somebody's, by their place."""
        rows = enumerate(_ROW.iter_unpack(self._map[:]))
        return {place: Row(*fields) for place, fields in rows if fields[0]}

    def _count(self, process: int, by: int) -> None:
        for place, row in self._rows().items():
            if row.process == process:
                self._write(place, replace(row, coming=max(0, row.coming + by)))

    def _write(self, place: int, row: Row) -> None:
        counts = (row.load, row.coming, row.sessions, row.most, row.own_port)
        _ROW.pack_into(self._map, place * _ROW.size, row.process, row.heard, row.takes, *counts)


def gateways_on(path: Path, now: float) -> list[Row]:
    """All gateways of the port whose board this file is; for somebody who is none, or looks seldom."""
    with closing(Board(path, _NOBODY)) as board:
        return board.gateways(now)


def _free(rows: dict[int, Row], now: float) -> int:
    for place in range(_ROWS):
        if place not in rows or now - rows[place].heard > _GONE_SECONDS:
            return place
    raise Unavailable(f"{_ROWS} gateways are on this port already: a further one needs a port of its own")
