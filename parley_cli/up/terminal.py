"""Where the user reads what `parley up` says. A terminal that was closed, or a disk that is full, stops nothing."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from dataclasses import dataclass
from typing import Final

_OUT: Final = 1
_ERRORS: Final = 2


@dataclass(frozen=True, slots=True)
class Terminal:
    """Standard output and standard error of this process."""

    encoding: str
    """What the terminal understands."""
    for_people: bool
    """Standard error is read by somebody, not by a program."""

    @classmethod
    def find(cls) -> Terminal:
        """The one that this process has."""
        encoding = sys.stdout.encoding if sys.stdout is not None else ""
        with contextlib.suppress(OSError):
            return cls(encoding or "ascii", os.isatty(_ERRORS))
        return cls(encoding or "ascii", for_people=False)

    def say(self, line: str) -> None:
        """A line of what was asked for, to standard output."""
        self._write(_OUT, line)

    def tell(self, line: str) -> None:
        """A line of what went on, to standard error."""
        self._write(_ERRORS, f"parley: {line}")

    def pass_on(self, line: str) -> None:
        """A line that a process wrote to its standard error; people are spared the JSON of its logs."""
        self._write(_ERRORS, readable(line) if self.for_people else line)

    def can_show(self, text: str) -> bool:
        """True when it has all these characters."""
        try:
            text.encode(self.encoding)
        except UnicodeEncodeError:
            return False
        return True

    def _write(self, where: int, line: str) -> None:
        if (sys.__stdout__ if where == _OUT else sys.__stderr__) is None:
            # It was closed before we began, and the number may be somebody else's by now.
            return
        # Not with print: what it could not write it keeps, and fails on it again when the process ends.
        with contextlib.suppress(OSError):
            os.write(where, f"{line}\n".encode(self.encoding, "backslashreplace"))


def readable(line: str) -> str:
    """A line of a log as a sentence; any other as it is."""
    try:
        entry = json.loads(line)
        return f"{entry['service']}: {entry['message']}" + (f"\n{entry['error']}" if "error" in entry else "")
    except (ValueError, TypeError, KeyError, RecursionError):
        return line
