"""Memory in huge pages for the processes, where the system offers them: `HUGE_PAGES`, and who gets it.

A process of Parley wakes hundreds of times a second, for less than a millisecond, and finds in no cache where its
memory is; with pages of 2 MB there is little to find. Ten sessions with it and ten without, at the same time and on
the same core, in three runs of `benchmarks/compare.py --together`: .93, .97 and .98 of the processor time, .6 to .8 of
the memory of an idle session. glibc's allocator without huge pages took 1.03 of the time.
"""

from __future__ import annotations

import platform
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

HUGE_PAGES: Final = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1", "PYTHONMALLOC": "malloc"}
"""glibc asks for huge pages, and Python takes its memory from glibc: its own allocator asks for none."""

_OFFERED: Final = Path("/sys/kernel/mm/transparent_hugepage/enabled")
# Of glibc. Others may have an allocator that is slower than Python's.
_FIRST_WITH_TUNABLE: Final = (2, 35)


def huge_pages(
    environment: Mapping[str, str], libc: tuple[str, str] | None = None, offered: Path = _OFFERED
) -> dict[str, str]:
    """Settings for processes with this environment; none where the user has set either, or the system cannot."""
    if HUGE_PAGES.keys() & environment.keys() or not _has_tunable(libc or platform.libc_ver()):
        return {}
    try:
        modes = offered.read_text(encoding="utf-8")
    except OSError:
        return {}
    return {} if "[never]" in modes else dict(HUGE_PAGES)


def _has_tunable(libc: tuple[str, str]) -> bool:
    name, version = libc
    numbers = tuple(int(number) for number in version.split(".")[:2] if number.isdecimal())
    return name == "glibc" and numbers >= _FIRST_WITH_TUNABLE
