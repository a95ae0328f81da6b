"""Who gets memory in huge pages, and that a process then has some."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from parley_cli.up.huge_pages import HUGE_PAGES, huge_pages

# Makes a hundred thousand small things, and tells how much of its memory is in huge pages.
_PROGRAM = """
made = [(number, str(number)) for number in range(100_000)]
[line] = [line for line in open("/proc/self/smaps_rollup") if line.startswith("AnonHugePages:")]
print(line.split()[1])
"""


@pytest.fixture
def offering(tmp_path: Path) -> Path:
    file = tmp_path / "enabled"
    file.write_text("always [madvise] never\n", encoding="ascii")
    return file


@pytest.mark.parametrize("libc", [("glibc", "2.35"), ("glibc", "2.41"), ("glibc", "3.0"), ("glibc", "2.36.9000")])
def test_glibc_with_its_tunable_is_given_huge_pages(libc: tuple[str, str], offering: Path) -> None:
    assert huge_pages({"PATH": "/bin"}, libc, offering) == HUGE_PAGES


@pytest.mark.parametrize("libc", [("glibc", "2.34"), ("glibc", ""), ("", ""), ("musl", "2.40"), ("glibc", "unknown")])
def test_other_libraries_are_left_alone(libc: tuple[str, str], offering: Path) -> None:
    assert huge_pages({}, libc, offering) == {}


@pytest.mark.parametrize("name", HUGE_PAGES)
def test_what_the_user_has_set_stays_as_it_is(name: str, offering: Path) -> None:
    assert huge_pages({name: ""}, ("glibc", "2.36"), offering) == {}


def test_nothing_is_set_where_the_system_offers_none(offering: Path, tmp_path: Path) -> None:
    assert huge_pages({}, ("glibc", "2.36"), tmp_path / "missing") == {}
    offering.write_text("always madvise [never]\n", encoding="ascii")
    assert huge_pages({}, ("glibc", "2.36"), offering) == {}


@pytest.mark.skipif(not huge_pages({}), reason="this system offers no huge pages")
def test_a_process_with_these_settings_has_memory_in_huge_pages() -> None:
    def kilobytes(settings: dict[str, str]) -> int:
        command = (sys.executable, "-c", _PROGRAM)
        return int(subprocess.run(command, env={**os.environ, **settings}, capture_output=True, check=True).stdout)

    assert kilobytes(HUGE_PAGES) >= 2048
    # Elsewhere everybody may be given some, also who did not ask.
    if "[madvise]" in Path("/sys/kernel/mm/transparent_hugepage/enabled").read_text(encoding="utf-8"):
        assert kilobytes({}) < 2048
