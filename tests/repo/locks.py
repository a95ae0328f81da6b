"""What a lock says, and what the packages that it pins ask for by their own metadata, once they are installed."""

from __future__ import annotations

from importlib import metadata
from itertools import product
from typing import TYPE_CHECKING, Final

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_PYTHONS: Final = ("3.11", "3.12", "3.13", "3.14")
_MACHINES: Final = (("linux", "Linux", "x86_64"), ("linux", "Linux", "aarch64"), ("darwin", "Darwin", "arm64"))


def requirements(file: Path) -> list[Requirement]:
    """The requirements in a file, without their hashes and comments."""
    lines = file.read_text(encoding="utf-8").splitlines()
    return [Requirement(line.removesuffix("\\").strip()) for line in lines if line[:1].isalnum()]


def unpinned(pins: Iterable[Requirement], overrides: Iterable[Requirement] = ()) -> list[str]:
    """What a pinned package asks for and no pin gives, on any machine that Parley supports: "package: requirement".

    `overrides` stand in for what any package asks for of the same name; one whose marker is never true, for nothing.

    Raises:
        PackageNotFoundError: a pin that applies to this machine is not installed.
    """
    pins, instead = list(pins), {canonicalize_name(each.name): each for each in overrides}
    # Nothing is known of packages that are for other machines and not installed here.
    asked_by = {pin.name: _metadata(pin) for pin in pins if _applies(pin, _environment())}
    missing = set()
    for environment in _environments():
        given = {canonicalize_name(pin.name): pin for pin in pins if _applies(pin, environment)}
        for pin in given.values():
            for asked in asked_by.get(pin.name, ()):
                wanted = instead.get(canonicalize_name(asked.name), asked)
                due = _applies(asked, environment, pin.extras) and _applies(wanted, environment, pin.extras)
                if due and not _gives(given.get(canonicalize_name(asked.name)), wanted):
                    missing.add(f"{pin.name}: {asked}")
    return sorted(missing)


def _environment(**changed: str) -> dict[str, str]:
    """This machine as markers see it, but for what is changed."""
    return {name: str(value) for name, value in default_environment().items()} | changed


def _environments() -> Iterator[dict[str, str]]:
    for python, (platform, system, machine) in product(_PYTHONS, _MACHINES):
        yield _environment(
            python_version=python,
            python_full_version=f"{python}.1",
            sys_platform=platform,
            platform_system=system,
            platform_machine=machine,
        )


def _applies(requirement: Requirement, environment: dict[str, str], extras: Iterable[str] = ()) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({**environment, "extra": extra}) for extra in ("", *extras))


def _metadata(pin: Requirement) -> list[Requirement]:
    """What a package asks for, of the version that is pinned."""
    found = metadata.distribution(pin.name)
    assert pin.specifier.contains(found.version, prereleases=True), f"{pin} is locked and {found.version} installed"
    return [Requirement(text) for text in found.requires or ()]


def _gives(pin: Requirement | None, wanted: Requirement) -> bool:
    """A pin has the version and the extras that are wanted."""
    if pin is None:
        return False
    [exact] = pin.specifier
    return wanted.specifier.contains(exact.version, prereleases=True) and wanted.extras <= pin.extras
