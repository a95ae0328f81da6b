"""What is installed: the SDK alone by itself, all else by extras, and each extra with all that its package imports."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from typing import TYPE_CHECKING, cast

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.repo.conftest import Source

# Packages of the house, and the extras that are for them.
EXTRAS = {
    "parley": ("audio", "tls"),
    "parley_cli": ("cli", "models", "lan"),
    "serving": ("serve", "kubernetes"),
    "edge_gateway": ("gateway",),
    "asr_server": ("asr",),
    "llm_server": ("llm", "ctranslate2", "llamacpp", "vllm"),
    "tts_server": ("tts", "hibari", "piper", "redis"),
}
REQUIREMENT = re.compile(r"([\w.-]+)(?:\[([\w,-]+)\])?")


@pytest.fixture(scope="session")
def project(root: Path) -> dict[str, object]:
    return cast("dict[str, object]", tomllib.loads((root / "pyproject.toml").read_text())["project"])


def required(project: dict[str, object], extras: tuple[str, ...]) -> set[str]:
    """Distributions that are installed with some extras, by what pyproject.toml says, without what they bring."""
    optional = cast("dict[str, list[str]]", project["optional-dependencies"])
    names: set[str] = set()
    requirements = list(cast("list[str]", project["dependencies"])) + [
        text for each in extras for text in optional[each]
    ]
    for requirement in requirements:
        match = REQUIREMENT.match(requirement)
        assert match is not None
        name, more = match.groups()
        names |= required(project, tuple(more.split(","))) if name == project["name"] else {name.lower()}
    return names


def imported(sources: list[Source], package: str) -> set[str]:
    """Names of libraries that a package imports, anywhere in it."""
    modules: set[str] = set()
    for source in sources:
        if not source.name.startswith(f"{package}/"):
            continue
        for node in ast.walk(source.tree):
            match node:
                case ast.Import(names=names):
                    modules |= {alias.name for alias in names}
                case ast.ImportFrom(module=str() as module):
                    modules.add(module)
                case _:
                    pass
    return {
        module.partition(".")[0]
        for module in modules
        if module.partition(".")[0] not in sys.stdlib_module_names | EXTRAS.keys() | {"_typeshed"}
    }


def test_the_sdk_alone_brings_grpc_messages_and_numbers_and_no_more(project: dict[str, object]) -> None:
    assert required(project, ()) == {
        "googleapis-common-protos", "grpcio", "grpcio-health-checking", "grpcio-status", "numpy", "protobuf"
    }  # fmt: skip


@pytest.mark.parametrize("package", EXTRAS)
def test_whatever_a_package_imports_is_brought_by_its_extras(
    package: str, product: list[Source], project: dict[str, object]
) -> None:
    homes = packages_distributions()
    there = required(project, EXTRAS[package])
    missing = {
        name
        for name in imported(product, package)
        if not {home.lower().replace("_", "-") for home in homes.get(name, [name])} & there
    }
    assert missing == set()


def test_all_brings_what_make_run_needs(project: dict[str, object]) -> None:
    everything = required(project, ("all",))
    for extra in ("cli", "gateway", "asr", "llm", "tts"):
        assert required(project, (extra,)) <= everything
