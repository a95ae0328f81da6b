"""One process of Parley: started, listened to, ended. Knows nothing of the others."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from typing import TYPE_CHECKING, Final

from parley_cli.up.last_words import LastWords
from parley_cli.up.supervision import Exit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from parley_cli.up.terminal import Terminal

_READ_BYTES: Final = 65_536
# Something that it started may hold its standard error open when it is gone.
_LAST_WORDS_SECONDS: Final = 1.0


class Child:
    """A process that runs, or did."""

    def __init__(self, process: asyncio.subprocess.Process, words: LastWords) -> None:
        """Take a process that was started; `words` hears what it says."""
        self._process = process
        self._words = words
        self._reading = asyncio.Event()

    @classmethod
    async def start(cls, module: str, environment: Mapping[str, str], terminal: Terminal) -> Child:
        """Start `python -m module`.

        Raises:
            OSError: the system has no process to give, or no memory.
        """
        # A session of its own: Ctrl-C in the terminal reaches us alone, and we stop the others in order. What it starts
        # itself is in its process group. Its standard input ends with us, and that is its sign to end.
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", module),
            env=environment,
            start_new_session=True,
            stdin=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        return cls(process, LastWords(terminal))

    async def ended(self) -> Exit:
        """Pass on what it says until it has ended; then how."""
        async with asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(self._read(), name="standard error")
            status = await self._process.wait()
            await asyncio.wait([reading], timeout=_LAST_WORDS_SECONDS)
            reading.cancel()
        return Exit(status, self._words.last)

    async def _read(self) -> None:
        assert self._process.stderr is not None  # noqa: S101 - it was asked for
        while words := await self._process.stderr.read(_READ_BYTES):
            self._words.hear(words)

    def terminate(self) -> None:
        """Tell it to stop."""
        # Not by `Process.terminate`: it looks first whether the process has ended, and where it has takes its status
        # away from who waits for it.
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process.pid, signal.SIGTERM)

    def kill(self) -> None:
        """End it, and all that it has started, at once."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
