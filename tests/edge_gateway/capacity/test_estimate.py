from __future__ import annotations

import pytest

from edge_gateway.capacity.estimate import Estimate


def seen(busy: float, sessions: int, *, times: int = 100) -> Estimate:
    estimate = Estimate()
    for _ in range(times):
        estimate.note(busy, sessions)
    return estimate


@pytest.mark.parametrize(
    ("busy", "sessions", "most"), [(0.4, 40, 80), (0.1, 40, 320), (0.8, 20, 21), (0.0, 40, 10_000)]
)
def test_what_sessions_cost_says_how_many_there_may_be(busy: float, sessions: int, most: int) -> None:
    assert seen(busy, sessions).most(sessions, is_full=False) == pytest.approx(most, rel=0.01)


def test_a_gateway_that_refuses_is_full_with_what_it_has() -> None:
    assert seen(0.4, 40).most(40, is_full=True) == 40
    assert seen(0.4, 40).most(0, is_full=True) == 1


def test_a_few_sessions_teach_nothing() -> None:
    assert seen(0.5, 1).most(1, is_full=False) == Estimate().most(1, is_full=False)


def test_more_than_there_are_may_come_while_none_is_refused() -> None:
    assert seen(0.8, 20).most(300, is_full=False) == 301
