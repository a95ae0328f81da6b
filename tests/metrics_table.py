"""The table of metrics in docs/metrics.md, read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_PAGE: Final = Path(__file__).resolve().parents[1] / "docs" / "metrics.md"
_ADDRESS: Final = re.compile(r"\S+:\d+")
_ROW: Final = re.compile(r"^\| `(\w+)` \| (\w+) \| ([\w, ]+) \|([^|]*)\| ([^|]+) \|$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Metric:
    """What is documented of a metric."""

    name: str
    """With `_total`, where it is a counter."""
    kind: str
    """As Prometheus calls it."""
    services: frozenset[str]
    """Who has it."""
    labels: Mapping[str, frozenset[str]]
    """Every value that a label may have; `host:port` stands for those of the servers that there are."""

    @property
    def family(self) -> str:
        """What it is called where it is registered."""
        return self.name.removesuffix("_total")

    def allows(self, label: str, value: str) -> bool:
        """Whether a label may have a value."""
        known = self.labels[label]
        return value in known or ("host:port" in known and _ADDRESS.fullmatch(value) is not None)


def documented() -> dict[str, Metric]:
    """All metrics that are documented, by family."""
    rows = [_metric(*row) for row in _ROW.findall(_PAGE.read_text(encoding="utf-8"))]
    return {metric.family: metric for metric in rows}


def _metric(name: str, kind: str, services: str, labels: str, _meaning: str) -> Metric:
    pairs = [each.partition(":") for each in labels.split(";") if each.strip()]
    values = {label.strip(): frozenset(map(str.strip, known.split(","))) for label, _, known in pairs}
    return Metric(name, kind, frozenset(services.split(", ")), values)
