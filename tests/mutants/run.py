"""Breaks the code in one place after the other, and sees that a test fails each time: `make mutants`.

Each `NAME.patch` beside this file is one break; `README.md` says what it breaks and which tests must notice. The
tests run in a copy of the repository, and first of all unbroken: tests that fail anyway prove nothing.

    python tests/mutants/run.py [WORDS]      only those whose name has WORDS in it
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
ROW = re.compile(r"^\| `(?P<name>[^`]+)` \| (?P<breaks>.+?) \| `(?P<tests>.+?)` \|$", re.MULTILINE)
COPIED = (
    "*_server",
    "edge_gateway",
    "parley",
    "parley_cli",
    "serving",
    "tests",
    "protos",
    "benchmarks",
    "pyproject.toml",
)
SECONDS = 300


class Mutant(NamedTuple):
    """One break."""

    patch: str
    breaks: str
    tests: tuple[str, ...]


def mutants() -> list[Mutant]:
    """The table of README.md."""
    text = (ROOT / "tests" / "mutants" / "README.md").read_text()
    return [
        Mutant(f"{row['name'].removesuffix('.patch')}.patch", row["breaks"], tuple(re.split(r"`,? `", row["tests"])))
        for row in ROW.finditer(text)
    ]


def copy(to: Path) -> None:
    """What the tests need, without what was made."""
    for pattern in COPIED:
        for path in ROOT.glob(pattern):
            if path.is_dir():
                shutil.copytree(path, to / path.name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(path, to)


def run_tests(folder: Path, tests: tuple[str, ...]) -> bool:
    """True when they pass."""
    command = (sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests)
    try:
        return subprocess.run(command, cwd=folder, capture_output=True, timeout=SECONDS, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def apply(folder: Path, patch: str, *options: str) -> None:
    """Break the copy, or mend it with `--reverse`."""
    path = ROOT / "tests" / "mutants" / patch
    subprocess.run(("git", "apply", *options, str(path)), cwd=folder, check=True)


def main() -> int:
    """Try each; the status is 1 when one of them lives."""
    words = sys.argv[1] if len(sys.argv) > 1 else ""
    chosen = [mutant for mutant in mutants() if words in mutant.patch]
    alive: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy(folder)
        whole = tuple(sorted({test for mutant in chosen for test in mutant.tests}))
        if not chosen:
            print(f"no mutant has {words!r} in its name")
            return 1
        if not run_tests(folder, whole):
            print(f"these fail without any break: {' '.join(whole)}")
            return 1
        for mutant in chosen:
            apply(folder, mutant.patch)
            lives = run_tests(folder, mutant.tests)
            apply(folder, mutant.patch, "--reverse")
            print("LIVES " if lives else "killed", mutant.patch, "-", mutant.breaks, flush=True)
            alive += [mutant.patch] if lives else []
    print(f"{len(chosen) - len(alive)} of {len(chosen)} killed")
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main())
