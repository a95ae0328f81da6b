"""A part is built once, is there whole or not at all, and a build that broke off is taken up again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.observability.parts import Part, provide

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the parts of a test go."""
    monkeypatch.setenv("PARLEY_PARTS", str(tmp_path / "parts"))
    return tmp_path / "parts"


class Builder:
    """Builds in two steps, and breaks off between them for as long as it is told to."""

    def __init__(self, *, breaks: bool = False) -> None:
        self.breaks = breaks
        self.steps: list[str] = []

    def __call__(self, work: Path, target: Path) -> None:
        if not (work / "compiled").exists():
            self.steps.append("compile")
            (work / "compiled").touch()
        (target / "half").touch()
        if self.breaks:
            raise RuntimeError("out of memory")
        self.steps.append("link")
        (target / "half").rename(target / "program")


def test_a_part_is_built_once(folder: Path) -> None:
    builder = Builder()
    part = Part("clock", "1", ("program",), builder)
    assert provide(part) == provide(part) == folder / "clock-1"
    assert builder.steps == ["compile", "link"]
    assert [path.name for path in (folder / "clock-1").iterdir()] == ["program"]


def test_another_version_is_another_part(folder: Path) -> None:
    builder = Builder()
    for key in ("1", "2"):
        provide(Part("clock", key, ("program",), builder))
    assert builder.steps == ["compile", "link"] * 2
    assert {path.name for path in folder.iterdir() if path.is_dir()} == {"clock-1", "clock-2"}


def test_a_build_that_broke_off_leaves_no_part_and_is_taken_up_again(folder: Path) -> None:
    builder = Builder(breaks=True)
    part = Part("clock", "1", ("program",), builder)
    with pytest.raises(RuntimeError, match="out of memory"):
        provide(part)
    assert not (folder / "clock-1").exists()
    builder.breaks = False
    assert provide(part) == folder / "clock-1"
    assert builder.steps == ["compile", "link"]


def test_what_the_system_brings_is_not_built(folder: Path) -> None:
    builder = Builder()
    assert provide(Part("shell", "1", ("sh",), builder, packaged=True)) is None
    assert provide(Part("shell", "1", ("sh", "no-such-program"), builder, packaged=True)) == folder / "shell-1"


def test_without_go_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(FileNotFoundError, match=r"Go 1\.26 or newer"):
        provide(Part("clock", "1", ("program",), Builder()))
