"""What a process says on standard error: passed on line by line, and the last of it kept as the reason of its end."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from parley_cli.up.terminal import readable

if TYPE_CHECKING:
    from parley_cli.up.terminal import Terminal

# With such a line a server says why it cannot run, and ends.
_FAREWELL: Final = re.compile(r"(?:asr|llm|tts|gateway|llamacpp): (.+)")
_MOST_BYTES: Final = 65_536


class LastWords:
    """The lines of one process."""

    def __init__(self, terminal: Terminal) -> None:
        """Nothing was said yet."""
        self._terminal = terminal
        self._rest = b""
        self._held = ""
        self._last = ""

    @property
    def last(self) -> str:
        """The reason that it gave, or the last line that it wrote; empty when there was none."""
        self._line(self._rest)
        self._rest = b""
        farewell = _FAREWELL.fullmatch(self._held)
        return farewell[1] if farewell else readable(self._last).partition("\n")[0].strip()

    def hear(self, words: bytes) -> None:
        """It has written these bytes."""
        *lines, self._rest = (self._rest + words).split(b"\n")
        for line in lines:
            self._line(line)
        if len(self._rest) > _MOST_BYTES:
            self._line(self._rest)
            self._rest = b""

    def _line(self, line: bytes) -> None:
        text = line.decode(errors="replace").rstrip()
        if not text:
            return
        if self._held:
            # It was none: the process went on.
            self._terminal.pass_on(self._held)
        self._held = text if _FAREWELL.fullmatch(text) else ""
        self._last = text
        if not self._held:
            self._terminal.pass_on(text)
