"""Two evaluations of the same conversations side by side: what is printed, and when the other pays."""

from __future__ import annotations

import math

import pytest

from parley_cli.eval.comparison import Comparison, as_object, table
from parley_cli.eval.score import CUT_OFFS, FIRST_TURNS
from parley_cli.eval.verdict import Complaint, Figure, Verdict


def verdict(first_ms: float, cut_offs: float = 0.0, *, longer: float = 0.0, wrong: str = "") -> Verdict:
    figures = (
        Figure(CUT_OFFS[0], cut_offs, "%", 36, 2),
        Figure(CUT_OFFS[1], 0.0, "%", 72),
        Figure(FIRST_TURNS, first_ms, "ms", 6),
        Figure(CUT_OFFS[2], longer, "%", 3),
    )
    return Verdict(figures, (Complaint("the user was cut off", wrong),) if wrong else ())


@pytest.mark.parametrize(
    ("other", "pays"),
    [
        (verdict(600.0), True),
        (verdict(700.0), False),
        (verdict(600.0, 2.8), False),
        (verdict(600.0, longer=33.3), False),
        (verdict(math.nan), False),
        (verdict(600.0, longer=math.nan), True),
    ],
    ids=["sooner", "no sooner", "sooner, and cuts off", "sooner, and cuts long pauses", "no turns", "no long pauses"],
)
def test_the_other_pays_that_is_sooner_and_cuts_nobody_off_more_often(other: Verdict, *, pays: bool) -> None:
    found = Comparison(verdict(700.0), other)
    assert found.pays is pays
    assert as_object(found)["pays"] is pays


def test_both_columns_the_change_and_what_went_wrong_where_are_printed() -> None:
    lines = table(Comparison(verdict(700.0, wrong="hesitant 0"), verdict(580.4, 2.78, wrong="hesitant 1"))).splitlines()
    assert lines[0].split() == ["one", "other", "change", "of"]
    assert lines[1].split()[-6:] == ["0.0", "%", "2.8", "%", "+2.8", "36"]
    assert lines[3].split()[-6:] == ["700", "ms", "580", "ms", "-120", "6"]
    assert "one: the user was cut off: hesitant 0" in lines
    assert "other: the user was cut off: hesitant 1" in lines
    assert lines[-1].startswith("The other does not pay: ")


def test_what_was_not_measured_has_no_change() -> None:
    lines = table(Comparison(verdict(math.nan), verdict(580.0))).splitlines()
    assert lines[3].split()[-5:] == ["-", "580", "ms", "-", "6"]
