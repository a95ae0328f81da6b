"""Reads single figures out of a process's own metrics, so that whoever asks is told what `/metrics` tells.

A metric that nobody has registered, or that has measured nothing yet, is None. Knows no service by name.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from parley._histogram import quantile
from parley.status import Distribution

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prometheus_client import CollectorRegistry

_SERVICE: Final = "service"
_HALF: Final = 0.5
_MOST: Final = 0.95


@dataclass(slots=True)
class _Series:
    """All that was measured under one name."""

    count: float = 0.0
    total: float = 0.0
    value: float | None = None
    buckets: dict[float, float] = field(default_factory=dict)
    """How many did not exceed each bound."""

    def take(self, suffix: str, labels: Mapping[str, str], value: float) -> None:
        if suffix == "_bucket":
            bound = float(labels["le"])
            self.buckets[bound] = self.buckets.get(bound, 0.0) + value
        elif suffix == "_count":
            self.count += value
        elif suffix == "_sum":
            self.total += value
        elif not suffix:
            self.value = (self.value or 0.0) + value


class Measured:
    """The figures of one service, at one moment."""

    def __init__(self, registry: CollectorRegistry, names: tuple[str, ...], service: str) -> None:
        """Read the metrics `names`; of one that has a label `service`, only what is of this one."""
        self._series = {name: _Series() for name in names}
        suffixes = ("", "_bucket", "_count", "_sum")
        wanted = {name + suffix: (name, suffix) for name in names for suffix in suffixes}
        for family in registry.restricted_registry(wanted).collect():
            for sample in family.samples:
                place = wanted.get(sample.name)
                if place is not None and sample.labels.get(_SERVICE, service) == service:
                    self._series[place[0]].take(place[1], sample.labels, sample.value)

    def number(self, name: str) -> int | None:
        """A gauge of things that can be counted."""
        value = self._series[name].value
        return max(0, round(value)) if value is not None and math.isfinite(value) else None

    def distribution(self, name: str, scale: float = 1.0) -> Distribution | None:
        """A histogram, its values times `scale`."""
        series = self._series[name]
        if not series.count or not math.isfinite(series.total):
            return None
        half, most = (scale * quantile(series.buckets, share) for share in (_HALF, _MOST))
        return Distribution(round(series.count), scale * series.total / series.count, half, most)
