"""What this machine has to compute with."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

from parley._processors import processors

_GB: Final = 10**9


@dataclass(frozen=True, slots=True)
class Machine:
    """What there is to compute with."""

    processors: int
    """How many a process may use."""
    memory_bytes: int
    """Memory of the machine; 0: not known."""

    def __str__(self) -> str:
        word = "processor" if self.processors == 1 else "processors"
        memory = f" and {self.memory_bytes / _GB:.0f} GB of memory" if self.memory_bytes else ""
        return f"{self.processors} {word}{memory}"


def find_machine() -> Machine:
    """This one."""
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        memory = 0
    return Machine(processors(), max(memory, 0))
