"""What given processes have used, as Linux tells in /proc: for servers that are not Parley's and have no metrics."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from parley_cli.bench.usage import Usage

# A name in parentheses may hold anything, blanks and parentheses too; what follows it are numbers.
_AFTER_NAME: Final = re.compile(r".*\) ", re.DOTALL)
_USER_TICKS, _SYSTEM_TICKS, _RESIDENT_PAGES = 11, 12, 21
_SWITCHES: Final = re.compile(r"^(?:non)?voluntary_ctxt_switches:\s+(\d+)", re.MULTILINE)


async def usage_of(pids: tuple[int, ...]) -> dict[str, Usage] | str:
    """What each has used since it began, by its number; the file that is not there, if there is one."""
    found = {}
    for pid in pids:
        folder = Path("/proc", str(pid))
        try:
            found[f"process {pid}"] = _read(folder)
        except FileNotFoundError:
            return f"{folder}/stat"
    return found


def _read(folder: Path) -> Usage:
    numbers = _AFTER_NAME.sub("", (folder / "stat").read_text()).split()
    ticks = int(numbers[_USER_TICKS]) + int(numbers[_SYSTEM_TICKS])
    return Usage(
        ticks / os.sysconf("SC_CLK_TCK"),
        float(int(numbers[_RESIDENT_PAGES]) * os.sysconf("SC_PAGE_SIZE")),
        float(sum(map(int, _SWITCHES.findall(_statuses(folder))))),
    )


def _statuses(folder: Path) -> str:
    return "\n".join((task / "status").read_text() for task in (folder / "task").iterdir())
