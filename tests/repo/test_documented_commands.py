"""A command that a document tells a reader to type is a command that there is."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

DOCUMENTS = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md")
FENCE = re.compile(r"^```(?:sh|bash|shell|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)
# Behind a prompt and variables set for this one command, and after && or a pipe too.
COMMAND = re.compile(
    r"(?:^|&&|\|)[ \t]*(?:\$ )?(?:[A-Z_]+=\S+ )*((?:\.venv/bin/)?(?:make|parley|python3? -m|pip)) ([a-z][\w.-]*)",
    re.MULTILINE,
)
INSTALLED = ".venv/bin/"


def commands(document: str) -> list[tuple[str, str]]:
    """Find (program, first word) of each command of ours in a document's shell blocks, with the folder it is in."""
    return [command for block in FENCE.findall(document) for command in COMMAND.findall(block)]


@pytest.fixture(scope="module")
def documented(root: Path) -> set[tuple[str, str]]:
    """Every command of ours in the documents."""
    texts = [(root / name).read_text(encoding="utf-8") for name in DOCUMENTS]
    return {command for text in texts for command in commands(text)}


def test_commands_are_found_in_shell_blocks_only() -> None:
    document = (
        "`make love`\n```sh\n$ PARLEY_X=1 make run && .venv/bin/parley talk\npython -m asr_server\n```\n"
        "```yaml\nmake war\n```\n"
    )
    assert commands(document) == [("make", "run"), (".venv/bin/parley", "talk"), ("python -m", "asr_server")]


def test_every_documented_command_runs_as_it_is_written(documented: set[tuple[str, str]]) -> None:
    # In a shell that knows nothing of the virtual environment, from the folder of the repository.
    assert {(program, word) for program, word in documented if not program.startswith((INSTALLED, "make"))} == set()


def test_every_documented_make_target_exists(root: Path, documented: set[tuple[str, str]]) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (root / "Makefile").read_text(), re.MULTILINE))
    assert {word for program, word in documented if program == "make"} - targets == set()


def test_every_documented_verb_of_parley_exists(documented: set[tuple[str, str]]) -> None:
    ask = "import sys; from parley_cli import main; sys.argv = ['parley', '--help']; main()"
    helped = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    verbs = set(re.findall(r"[a-z]+", helped.stdout))
    assert {word for program, word in documented if program == f"{INSTALLED}parley"} - verbs == set()


def test_every_documented_module_can_be_run(documented: set[tuple[str, str]]) -> None:
    modules = {word for program, word in documented if program.startswith(f"{INSTALLED}python")}
    missing = {name for name in modules if importlib.util.find_spec(name) is None}
    assert missing == set()
