"""Ends a process whose parent is gone, however that went: closed, killed, crashed.

`parley up` holds the other end of standard input and never writes there; the system closes it with its last process.
Unlike the death signal of Linux this works on every system, and is no race with a parent that is gone already.
"""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING, Final

from parley._variables import SUPERVISED

if TYPE_CHECKING:
    from collections.abc import Mapping

# Longer than a server takes that drains for as long as it does by default.
_GRACE_SECONDS: Final = 15.0
_READ_BYTES: Final = 1024
_STANDARD_INPUT: Final = 0


def is_supervised(environment: Mapping[str, str]) -> bool:
    """True when standard input is a lifeline."""
    return environment.get(SUPERVISED) == "1"


def watch() -> None:
    """From now on end with the parent: as if told to stop, and if that takes too long, at once."""
    # It is nothing for processes of our own: their standard input is another.
    os.environ.pop(SUPERVISED, None)
    threading.Thread(target=_watch, name="lifeline", daemon=True).start()


def _watch() -> None:
    try:
        while os.read(_STANDARD_INPUT, _READ_BYTES):
            pass
    except OSError:
        # A broken line is cut too.
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(_GRACE_SECONDS)
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(1)
