"""Histograms as Prometheus has them: how many values each bound covers. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def quantile(buckets: Mapping[float, float], share: float) -> float:
    """What `share` (0 to 1) of the values in a histogram do not exceed; `buckets` has how many each bound covers.

    Within a bucket values are taken to lie evenly, as Prometheus' `histogram_quantile` does; of those beyond the last
    bound no more is known than that bound.
    """
    bounds = sorted(buckets)
    wanted, lower, below = share * max(buckets.values(), default=0.0), 0.0, 0.0
    for bound in bounds:
        covered = buckets[bound]
        if covered >= wanted and covered > below:
            return lower + (bound - lower) * (wanted - below) / (covered - below) if math.isfinite(bound) else lower
        lower, below = bound, covered
    return lower if math.isfinite(lower) else 0.0
