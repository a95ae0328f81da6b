"""What an evaluation found, and how it is told. Knows nothing of scenes."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value."""

    name: str
    """What it is."""
    value: float
    """The value; NaN: there was nothing to measure."""
    unit: str
    """ "ms", "%" or "" for a count."""
    of: int
    """How many scenes it rests on."""
    bound: float | None = None
    """What it may be at most, or at least."""
    at_least: bool = False
    """The bound is a lower one."""

    @property
    def kept(self) -> bool:
        """True when the bound is kept, or there is none."""
        if self.bound is None:
            return True
        if math.isnan(self.value):
            return False
        return self.value >= self.bound if self.at_least else self.value <= self.bound


@dataclass(frozen=True, slots=True)
class Complaint:
    """One scene that went wrong."""

    what: str
    """What went wrong."""
    where: str
    """In which scene."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Everything that was found."""

    figures: tuple[Figure, ...]
    """The figures."""
    complaints: tuple[Complaint, ...]
    """The scenes behind those that fall short."""

    @property
    def kept(self) -> bool:
        """True when every bound is kept."""
        return all(figure.kept for figure in self.figures)


def table(verdict: Verdict) -> str:
    """The figures with their bounds, and what went wrong."""
    lines = [f"{'':<38}{'measured':>10}  {'of':>4}  bound"]
    for figure in verdict.figures:
        bound = (
            "" if figure.bound is None else f"{'≥' if figure.at_least else '≤'} {figure.bound:g} {figure.unit}".rstrip()
        )
        mark = "" if figure.kept else "  MISSED"
        lines.append(f"{figure.name:<38}{number(figure):>10}  {figure.of:>4}  {bound}{mark}".rstrip())
    lines += ["", *(f"{each.what}: {each.where}" for each in verdict.complaints)] if verdict.complaints else []
    return "\n".join(lines)


def as_object(verdict: Verdict) -> dict[str, object]:
    """The verdict as `--json` prints it."""
    return {
        "kept": verdict.kept,
        "figures": [
            {
                "name": each.name,
                "value": None if math.isnan(each.value) else round(each.value, 2),
                "unit": each.unit,
                "of": each.of,
                "bound": each.bound,
                "at_least": each.at_least,
                "kept": each.kept,
            }
            for each in verdict.figures
        ],
        "complaints": [{"what": each.what, "where": each.where} for each in verdict.complaints],
    }


def number(figure: Figure) -> str:
    """The value with its unit."""
    if math.isnan(figure.value):
        return "-"
    digits = 1 if figure.unit == "%" else 0
    return f"{figure.value:.{digits}f} {figure.unit}".rstrip()
