"""What stands in the repository's files: nothing of one machine, and locks that hold."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

# A path of somebody's machine means nothing on another; /app, /tmp, /etc and their like are everybody's.
MACHINE_PATH = re.compile(r"(?<![\w.:/~-])/(?:root|work|Users|home|opt/(?:pypi|wheels))/\w")
# Where packages come from is the choice of whoever installs them.
REGISTRY_HOST = re.compile(r"\b(?:pypi|pythonhosted|npmjs|yarnpkg)\.(?:org|com)\b")

MADE_BY_COMMANDS = {"__pycache__", "build", "dist", "htmlcov", "node_modules"}
PIN = re.compile(r"^([a-z0-9-]+)(?:\[[a-z0-9, -]+\])?==(\S+)", re.MULTILINE)


@pytest.fixture(scope="session")
def files(root: Path) -> list[Path]:
    """Files that people or generators wrote; what the commands of the Makefile leave behind is left out."""
    found: list[Path] = []
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if _is_kept(name)]
        # In a worktree .git is a file of git's own, with a path in it.
        found += [Path(folder, name) for name in names if name != ".git"]
    return found


@pytest.mark.parametrize("text", ["see /root/x", '"/home/ann/models"', "cd /work/main"])
def test_a_machine_path_is_seen(text: str) -> None:
    assert MACHINE_PATH.search(text)


@pytest.mark.parametrize("text", ["https://example.org/work/x", "/app/models", "docs/home/x", "~/work/x"])
def test_other_paths_are_left_alone(text: str) -> None:
    assert not MACHINE_PATH.search(text)


@pytest.mark.parametrize("pattern", [MACHINE_PATH, REGISTRY_HOST], ids=["machine paths", "registry hosts"])
def test_no_file_is_tied_to_one_machine(files: list[Path], root: Path, pattern: re.Pattern[str]) -> None:
    # This file names some on purpose.
    others = [path for path in files if path != Path(__file__).resolve()]
    assert [path.relative_to(root).as_posix() for path in others if pattern.search(_text(path))] == []


def test_what_is_tested_is_what_runs(root: Path) -> None:
    assert set(_pins(root, "run")) - set(_pins(root, "dev")) == set()


@pytest.mark.parametrize("lock", ["run", "dev", "small", "engines", "torch", "torch-cpu"])
def test_every_pin_has_its_hashes(root: Path, lock: str) -> None:
    text = (root / "locks" / f"{lock}.txt").read_text()
    requirements = [part for part in re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE) if part[0] != "#"]
    assert len(requirements) == len(_pins(root, lock))
    assert [part.split()[0] for part in requirements if "--hash=sha256:" not in part] == []


def test_every_dependency_is_locked(root: Path) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    embedded = [
        name for extra in ("all", "audio", "cli", "gateway", "serve", "asr", "llm", "tts") for name in extras[extra]
    ]
    groups = project["dependency-groups"]
    run = project["project"]["dependencies"] + embedded + groups["build"]
    needed = {
        "run": run,
        "dev": run + groups["dev"],
        "small": run + extras["hibari"] + extras["llamacpp"],
        "engines": run + extras["piper"] + groups["engines"],
        "torch": groups["torch"],
    }
    for lock, requirements in needed.items():
        assert _names(requirements) - {name for name, _ in _pins(root, lock)} == set()


def test_all_that_is_installed_comes_from_a_lock(root: Path) -> None:
    targets = ("run", "check", "test", "test-browser", "test-engines")
    command = ("make", "--dry-run", "--always-make", "--no-print-directory", *targets)
    # The tests may have been started by a make, whose flags are none of this one's.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    printed = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=True).stdout
    installs = re.findall(r"(?:-m pip |npm )[a-z-].*", printed)
    locked = [each for each in installs if re.search(r"^npm ci | --require-hashes --requirement locks/", each)]
    itself = [each for each in installs if each.endswith(" --no-build-isolation --no-deps --editable .")]
    others = [each for each in installs if each not in locked + itself and not each.startswith("npm run ")]
    assert (len(locked), len(itself), others) == (6, 3, [])


def _is_kept(folder: str) -> bool:
    hidden = folder.startswith(".") and folder not in {".ci", ".github"}
    return not hidden and folder not in MADE_BY_COMMANDS and not folder.endswith(".egg-info")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def _pins(root: Path, lock: str) -> list[tuple[str, str]]:
    return PIN.findall((root / "locks" / f"{lock}.txt").read_text())


def _names(requirements: list[str]) -> set[str]:
    return {re.split(r"[^\w.-]", requirement)[0].lower() for requirement in requirements} - {"parley-voice"}
