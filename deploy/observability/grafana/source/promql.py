"""Expressions that dashboards have in common. Rates are over Grafana's own interval, which follows the zoom."""

from __future__ import annotations

from typing import Final

_OVER: Final = "[$__rate_interval]"


def rate(counter: str, by: str = "") -> str:
    """How often a counter counts, each second; of each value of the label `by`."""
    return f"sum{_by(by)} (rate({counter}{_OVER}))"


def quantile(share: float, histogram: str, by: str = "") -> str:
    """What `share` of the observations are no more than."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, sum by ({labels}) (rate({histogram}_bucket{_OVER})))"


def mean(histogram: str, by: str = "", where: str = "") -> str:
    """The mean of the observations."""
    seconds, observations = (f"sum{_by(by)} (rate({histogram}_{part}{where}{_OVER}))" for part in ("sum", "count"))
    return f"{seconds} / ({observations} > 0)"


def buckets(histogram: str) -> str:
    """A histogram as a heat map takes it."""
    return f"sum by (le) (increase({histogram}_bucket{_OVER}))"


def share(part: str, whole: str) -> str:
    """One counter's part of another, within what the dashboard shows."""
    return f"sum(increase({part}[$__range])) / (sum(increase({whole}[$__range])) > 0)"


def _by(label: str) -> str:
    return f" by ({label})" if label else ""
