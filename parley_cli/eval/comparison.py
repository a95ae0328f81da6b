"""What two evaluations found that held the same conversations in turn, side by side. Knows nothing of scenes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from parley_cli.eval.score import CUT_OFFS, FIRST_TURNS
from parley_cli.eval.verdict import as_object as object_of
from parley_cli.eval.verdict import number

if TYPE_CHECKING:
    from parley_cli.eval.verdict import Figure, Verdict


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two verdicts on the same conversations."""

    one: Verdict
    """Of the Parley that is asked about."""
    other: Verdict
    """Of the one that it is compared with."""

    @property
    def pays(self) -> bool:
        """True when the other answers first turns sooner, and cuts nobody off more often."""
        more = any(self._gain(name) < 0 for name in CUT_OFFS)
        return not more and self._gain(FIRST_TURNS) > 0

    def _gain(self, name: str) -> float:
        """By how much less the other has; 0 where either measured nothing."""
        one, other = (_figure(verdict, name).value for verdict in (self.one, self.other))
        return 0.0 if math.isnan(one) or math.isnan(other) else one - other


def table(comparison: Comparison) -> str:
    """Both columns, what went wrong in each, and whether the other pays."""
    lines = [f"{'':<38}{'one':>10}{'other':>10}{'change':>10}  {'of':>4}"]
    for one in comparison.one.figures:
        other = _figure(comparison.other, one.name)
        change = "-" if math.isnan(other.value - one.value) else f"{other.value - one.value:+.{_digits(one)}f}"
        lines.append(f"{one.name:<38}{number(one):>10}{number(other):>10}{change:>10}  {one.of:>4}")
    for name, verdict in (("one", comparison.one), ("other", comparison.other)):
        lines += [""] if verdict.complaints else []
        lines += [f"{name}: {each.what}: {each.where}" for each in verdict.complaints]
    judged = "The other pays" if comparison.pays else "The other does not pay"
    return "\n".join([*lines, "", f"{judged}: it must answer first turns sooner, and cut nobody off more often."])


def as_object(comparison: Comparison) -> dict[str, object]:
    """The comparison as `--json` prints it."""
    return {"pays": comparison.pays, "one": object_of(comparison.one), "other": object_of(comparison.other)}


def _figure(verdict: Verdict, name: str) -> Figure:
    return next(each for each in verdict.figures if each.name == name)


def _digits(figure: Figure) -> int:
    return 1 if figure.unit == "%" else 0
