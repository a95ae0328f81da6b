"""Where output goes: a terminal of any alphabet, a pipe whose reader may leave, a disk that may be full."""

from __future__ import annotations

import io
import json
import os
import sys
from typing import TYPE_CHECKING, Final

from parley._masking import masked, secrets_of
from parley.errors import ParleyError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

_FAILED: Final = 1
# As a shell counts a program that SIGINT, or SIGPIPE, has ended.
_INTERRUPTED: Final = 130
_NOBODY_READS: Final = 141
_BLOCK: Final = "█"


def guarded(command: Callable[[], int]) -> int:
    """Run a command to its last written byte, and say what ended it in one line; gives the exit status.

    It is what `command` gives, 1 with a line on standard error for an error of ours or of the system, 130 for Ctrl-C,
    and 141 without a word when nobody reads the output any more.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        return _flushed(command)
    except ParleyError as error:
        return _complain(str(error))
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        _give_up(sys.stdout)
        return _NOBODY_READS
    except OSError as error:
        # Whoever opens a file or a socket says what is wrong with it; what is left is what is printed to.
        _give_up(sys.stdout)
        return _complain(f"{error.filename or 'standard output'}: {error.strerror or error}")


def to_json(value: object) -> str:
    """One line of JSON, whose characters standard output has."""
    text = json.dumps(value, ensure_ascii=False)
    return text if _has(text) else json.dumps(value)


def block() -> str:
    """What a bar on standard output is drawn with."""
    return _BLOCK if _has(_BLOCK) else "#"


def _flushed(command: Callable[[], int]) -> int:
    try:
        return command()
    finally:
        # Not left to the interpreter's end, which could only grumble.
        if sys.stdout is not None:
            sys.stdout.flush()


def _complain(sentence: str) -> int:
    try:
        print(f"parley: {masked(sentence, secrets_of(os.environ))}", file=sys.stderr, flush=True)
    except OSError:
        _give_up(sys.stderr)
    return _FAILED


def _give_up(stream: TextIO) -> None:
    """Have what is still to be written go nowhere, without another error."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _has(text: str) -> bool:
    """Standard output can show all of a text."""
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except UnicodeEncodeError:
        return False
    return True
