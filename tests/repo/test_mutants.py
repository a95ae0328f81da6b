"""Every break of tests/mutants stands in its table, and can be made; `make mutants` sees that a test notices each."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from tests.mutants.run import mutants

if TYPE_CHECKING:
    from pathlib import Path


def test_the_table_has_every_break_and_no_other(root: Path) -> None:
    table = [mutant.patch for mutant in mutants()]
    assert sorted(table) == sorted(path.name for path in (root / "tests" / "mutants").glob("*.patch"))
    assert len(table) >= 25


def test_every_break_fits_the_code_as_it_is(root: Path) -> None:
    for mutant in mutants():
        command = ("git", "apply", "--check", f"tests/mutants/{mutant.patch}")
        checked = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
        assert checked.returncode == 0, f"{mutant.patch}: {checked.stderr}"


def test_the_tests_that_must_notice_exist(root: Path) -> None:
    files = {test.partition("::")[0].split()[0] for mutant in mutants() for test in mutant.tests}
    assert [name for name in sorted(files) if not (root / name).exists()] == []
