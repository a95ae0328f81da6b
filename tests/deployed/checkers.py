"""Programs that read manifests, from a virtual environment of their own: `make test-deploy` installs them."""

from __future__ import annotations

import fnmatch
import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT: Final = Path(__file__).resolve().parents[2]
EXCEPTIONS: Final = ROOT / "deploy" / "k8s" / "exceptions.yaml"
_PROGRAMS: Final = ROOT / ".venv-checkers" / "bin"


class Finding(NamedTuple):
    """One thing that Checkov does not like."""

    check: str
    """Its number, such as CKV_K8S_16."""
    overlay: str
    """Name of the file that was read."""
    resource: str
    """Kind and name of the resource."""


class Excepted(NamedTuple):
    """A line of exceptions.yaml."""

    check: str
    of: tuple[str, ...]

    def covers(self, finding: Finding) -> bool:
        place = f"{finding.overlay}/{finding.resource.rpartition('.')[2]}"
        return finding.check == self.check and any(fnmatch.fnmatch(place, each) for each in self.of)


def exceptions() -> list[Excepted]:
    lines = yaml.safe_load(EXCEPTIONS.read_text(encoding="utf-8"))
    return [Excepted(each["check"], tuple(each["of"])) for each in lines]


def checkov(file: Path) -> list[Finding]:
    """What it finds in a file. It fetches nothing, and sends nothing."""
    command = ["checkov", "--skip-download", "--framework", "kubernetes", "--quiet", "--compact", "--output", "json"]
    found = json.loads(_run([*command, "--file", str(file)]))
    assert found["summary"]["parsing_errors"] == 0
    assert found["summary"]["passed"] > 0
    return [Finding(each["check_id"], file.stem, each["resource"]) for each in found["results"]["failed_checks"]]


def yamllint(files: Iterable[Path]) -> list[str]:
    """Its findings in some files, by the rules of the repository."""
    command = ["yamllint", "--format", "parsable", "--config-file", str(ROOT / ".yamllint.yaml")]
    return _run([*command, *map(str, files)]).splitlines()


def _run(command: list[str]) -> str:
    program = _PROGRAMS / command[0]
    assert program.exists(), f"{program} is not there: `make test-deploy` installs it."
    finished = subprocess.run([program, *command[1:]], capture_output=True, text=True, check=False)
    # 1: something was found.
    assert finished.returncode in {0, 1}, finished.stderr
    return finished.stdout
