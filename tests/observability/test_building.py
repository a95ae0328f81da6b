"""A part is built once, is there whole or not at all, and a build that broke off is taken up again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.building import Part, _go_settings, provide

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


def test_a_part_is_fetched_before_it_is_built(folder: Path) -> None:
    def fetch(work: Path) -> None:
        (work / "compiled").touch()

    builder = Builder()
    assert provide(Part("clock", "1", ("program",), builder, fetch)) == folder / "clock-1"
    assert builder.steps == ["link"]


def test_without_go_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(FileNotFoundError, match=r"Go 1\.26 or newer, and there is no `go`: get one"):
        provide(Part("clock", "1", ("program",), Builder()))


def test_what_is_not_compiled_needs_no_go(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert provide(Part("clock", "1", ("program",), Builder(), compiled=False)) == folder / "clock-1"


def fake_go(folder: Path, monkeypatch: pytest.MonkeyPatch, **settings: str) -> None:
    """Let `go env` say this, and have no other `go`."""
    go = folder / "go"
    cases = " ".join(f"{name}) echo {value};;" for name, value in settings.items())
    go.write_text(f'#!/bin/sh\ncase "$2" in {cases} esac\n')
    go.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


@pytest.mark.parametrize(
    ("version", "toolchain", "is_old"),
    [("go1.19.8", "", "1.19"), ("go1.25.3", "local", "1.25"), ("go1.24", "auto", ""), ("go1.26.8", "local", "")],
)
def test_a_go_that_is_too_old_and_may_fetch_no_newer_one_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, toolchain: str, is_old: str
) -> None:
    fake_go(tmp_path, monkeypatch, GOVERSION=version, GOTOOLCHAIN=toolchain)
    part = Part("clock", "1", ("program",), Builder())
    if is_old:
        with pytest.raises(FileNotFoundError, match=f"this one is {is_old}: get one"):
            provide(part)
    else:
        assert provide(part) is not None


@pytest.mark.parametrize(
    ("variable", "go_says", "used"),
    [
        (None, "https://proxy.golang.org,direct", "https://proxy.golang.org"),
        (None, "https://goproxy.example", None),
        ("https://proxy.golang.org,direct", "https://proxy.golang.org,direct", None),
        ("off", "off", None),
    ],
)
def test_version_control_hosts_are_asked_only_where_somebody_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str | None, go_says: str, used: str | None
) -> None:
    fake_go(tmp_path, monkeypatch, GOPROXY=go_says)
    if variable is None:
        monkeypatch.delenv("GOPROXY", raising=False)
    else:
        monkeypatch.setenv("GOPROXY", variable)
    _go_settings.cache_clear()
    try:
        assert _go_settings().get("GOPROXY") == used
    finally:
        _go_settings.cache_clear()
