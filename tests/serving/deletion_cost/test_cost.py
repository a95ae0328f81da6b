"""What a pod's work costs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.deletion_cost.cost import cost_of, work_of
from tests.deploy.conftest import DEPLOYED

ROOT = Path(__file__).resolve().parents[3]
WORK = st.integers(0, 10**12)


@pytest.mark.parametrize(
    ("work", "cost"),
    [(0, 0), (-1, 0), (1, 1), (2, 2), (3, 4), (4, 4), (5, 8), (8, 8), (9, 16), (10**12, 2**30)],
)
def test_work_costs_the_power_of_two_that_is_not_below_it_and_none_costs_nothing(work: int, cost: int) -> None:
    assert cost_of(work) == cost


@given(WORK, WORK)
def test_more_work_never_costs_less_and_any_costs_more_than_none(one: int, other: int) -> None:
    assert cost_of(min(one, other)) <= cost_of(max(one, other)) < 2**31
    assert (cost_of(one) == 0) == (one == 0)


def test_the_work_of_every_process_is_found_in_what_it_measures() -> None:
    documented = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(parley_\w+_active)` \| gauge \| (\w+) \|", documented, re.MULTILINE)
    assert {process for _, process in rows} == set(DEPLOYED)
    for name, _ in rows:
        text = f"# HELP {name} Now.\n# TYPE {name} gauge\n{name} 3.0\nparley_other_total 5.0\n"
        assert work_of(text) == 3


def test_what_stands_under_several_labels_is_added() -> None:
    assert work_of('parley_sessions_active{kind="a"} 2.0\nparley_sessions_active{kind="b"} 1.0\n') == 3


@pytest.mark.parametrize("text", ["", "parley_sessions_max 500\n", "parley_sessions_active NaN\n", "<html>"])
def test_metrics_that_do_not_tell_of_work_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="_active"):
        work_of(text)
