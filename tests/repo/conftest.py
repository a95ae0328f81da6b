"""The repository as its own tests see it: its root, and the Python that people wrote."""

from __future__ import annotations

import ast
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

PACKAGES = ("parley", "parley_cli", "serving", "edge_gateway", "asr_server", "llm_server", "tts_server")


@dataclass(frozen=True, slots=True)
class Source:
    """One module that people wrote."""

    name: str
    """Its path from the repository's root, with slashes."""
    text: str = field(repr=False)
    """What stands in it."""
    tree: ast.Module = field(repr=False)
    """The same, parsed."""


@pytest.fixture(scope="session")
def root() -> Path:
    """Folder of the repository."""
    return Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def product(root: Path) -> list[Source]:
    """Modules of the packages that are installed; what protoc wrote is left out."""
    return [source for package in PACKAGES for source in _sources(root, package) if "/v1/" not in source.name]


@pytest.fixture(scope="session")
def tests(root: Path) -> list[Source]:
    """Modules under tests/."""
    return _sources(root, "tests")


@pytest.fixture(scope="session")
def pure(root: Path) -> list[str]:
    """Dotted names of the modules that only decide, as the import contract in pyproject.toml lists them."""
    contracts = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    [modules] = [contract["source_modules"] for contract in contracts if contract["name"].startswith("Pure modules")]
    return cast("list[str]", modules)


def _sources(root: Path, folder: str) -> list[Source]:
    paths = sorted((root / folder).rglob("*.py"))
    texts = [(path.relative_to(root).as_posix(), path.read_text(encoding="utf-8")) for path in paths]
    return [Source(name, text, ast.parse(text)) for name, text in texts]
