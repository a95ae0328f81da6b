"""A lock is whole: an installer that looks up what a pinned package asks for finds that pinned too."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement

from tests.repo.locks import requirements, unpinned

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("lock", ["run", "dev"])
def test_what_a_pinned_package_asks_for_is_pinned_with_its_extras(root: Path, lock: str) -> None:
    assert unpinned(requirements(root / "locks" / f"{lock}.txt")) == []


def test_a_pin_without_an_extra_that_is_asked_for_is_seen(root: Path) -> None:
    bare = requirements(root / "locks" / "dev.txt")
    for pin in bare:
        pin.extras.clear()
    assert [re.split("[>=]=", line)[0] for line in unpinned(bare)] == [
        "opentelemetry-exporter-otlp-proto-http: opentelemetry-exporter-http-transport[requests]",
        "pytest-cov: coverage[toml]",
    ]


def test_a_package_that_is_not_pinned_is_seen_and_so_is_one_of_the_wrong_version(root: Path) -> None:
    pins = requirements(root / "locks" / "dev.txt")
    without = unpinned(pin for pin in pins if pin.name != "pluggy")
    assert {line.split(">")[0].split("<")[0] for line in without} == {"pytest: pluggy", "pytest-cov: pluggy"}
    assert unpinned(pins, [Requirement("pluggy>=99")]) == without
    assert unpinned(pins, [Requirement("pluggy ; python_version < '3'")]) == []
