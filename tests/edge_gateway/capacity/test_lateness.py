from __future__ import annotations

import pytest

from edge_gateway.capacity.lateness import PERIOD_SECONDS, WINDOW_SECONDS, Lateness


def on_time(lateness: Lateness, start: float, seconds: float) -> float:
    """Timers that come when they are due; gives the time after them."""
    for _ in range(round(seconds / PERIOD_SECONDS)):
        start += PERIOD_SECONDS
        lateness.note(start, 0.0)
    return start


def test_without_a_timer_nothing_is_late() -> None:
    assert Lateness().quantile(0.95, 100.0) == 0.0


def test_timers_that_come_when_they_are_due_are_not_late() -> None:
    lateness = Lateness()
    now = on_time(lateness, 100.0, 2.0)
    assert lateness.quantile(0.95, now) == 0.0


@pytest.mark.parametrize(("blocked_seconds", "share", "at_least"), [(0.5, 0.95, 0.4), (0.5, 0.5, 0.0), (0.9, 0.5, 0.4)])
def test_a_loop_that_is_held_up_once_is_late_for_all_who_would_have_come_meanwhile(
    blocked_seconds: float, share: float, at_least: float
) -> None:
    lateness = Lateness()
    now = on_time(lateness, 100.0, 2.0) + PERIOD_SECONDS + blocked_seconds
    lateness.note(now, blocked_seconds)
    assert at_least <= lateness.quantile(share, now) <= blocked_seconds


def test_what_lies_a_second_back_is_forgotten() -> None:
    lateness = Lateness()
    lateness.note(100.0, 0.5)
    now = on_time(lateness, 100.0, 1.1)
    assert lateness.quantile(1.0, now) == 0.0


def test_a_machine_that_slept_for_a_day_costs_no_more_than_a_second() -> None:
    lateness = Lateness()
    lateness.note(100_000.0, 86_400.0)
    # Those who would have come in the last second have waited for less.
    assert lateness.quantile(1.0, 100_000.0) <= WINDOW_SECONDS
    now = on_time(lateness, 100_000.0, 1.1)
    assert lateness.quantile(1.0, now) == 0.0
