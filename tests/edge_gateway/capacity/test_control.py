from __future__ import annotations

import pytest

from edge_gateway.capacity.control import ALWAYS_TAKEN, OVERLOADED_SECONDS, RECOVERED_SECONDS, LoadControl
from edge_gateway.capacity.lateness import PERIOD_SECONDS

MANY = 100


class Loop:
    """A loop whose lateness the test owns, with a control that is told of it."""

    def __init__(self) -> None:
        self.control = LoadControl()
        self.now = 1_000.0

    def run(self, seconds: float, late_seconds: float = 0.0) -> None:
        """Timers for so long, each so late."""
        until = self.now + seconds
        while self.now < until:
            self.now += PERIOD_SECONDS + late_seconds
            self.control.timer(self.now, late_seconds)

    def taken(self, sessions: int = MANY) -> int:
        """How many come in before the next timer."""
        count = 0
        while self.control.takes(sessions) and count < 10_000:
            count += 1
        return count


@pytest.fixture
def loop() -> Loop:
    return Loop()


def test_an_idle_gateway_takes_a_thousand_in_a_second(loop: Loop) -> None:
    taken = loop.taken()
    for _ in range(50):
        loop.run(PERIOD_SECONDS)
        taken += loop.taken()
    assert taken >= 1_000


def test_a_loop_that_is_late_takes_nobody(loop: Loop) -> None:
    loop.run(3.0, OVERLOADED_SECONDS + 0.005)
    assert loop.control.refuses(MANY)
    assert loop.taken() == 0


def test_a_single_hitch_refuses_nobody(loop: Loop) -> None:
    loop.run(1.0)
    loop.run(PERIOD_SECONDS, 0.06)
    assert not loop.control.refuses(MANY)


def test_between_the_two_limits_it_stays_as_it_was(loop: Loop) -> None:
    between = (OVERLOADED_SECONDS + RECOVERED_SECONDS) / 2
    loop.run(2.0, between)
    assert not loop.control.refuses(MANY)
    loop.run(3.0, 2 * OVERLOADED_SECONDS)
    loop.run(2.0, between)
    assert loop.control.refuses(MANY)
    loop.run(2.0, RECOVERED_SECONDS / 2)
    assert not loop.control.refuses(MANY)


def test_a_few_are_always_taken(loop: Loop) -> None:
    loop.run(3.0, 0.2)
    assert not loop.control.refuses(ALWAYS_TAKEN - 1)
    assert loop.control.takes(ALWAYS_TAKEN - 1)
    assert loop.control.refuses(ALWAYS_TAKEN)
    assert loop.control.too_many(loop.now, ALWAYS_TAKEN) == 0


def test_beginning_many_at_once_slows_down_as_soon_as_it_makes_the_loop_late(loop: Loop) -> None:
    loop.run(1.0)
    before = loop.taken()
    loop.run(PERIOD_SECONDS, 0.012)
    assert 0 < loop.taken() <= before // 2 + 1
    loop.run(PERIOD_SECONDS, 0.02)
    assert loop.taken() == 0
    loop.run(PERIOD_SECONDS)
    assert 0 < loop.taken() <= before // 4 + 1


def test_a_rush_that_holds_the_loop_up_makes_newcomers_wait_and_refuses_nobody(loop: Loop) -> None:
    loop.run(1.0)
    loop.run(1.5, 0.3)
    assert loop.taken() == 0
    assert not loop.control.refuses(MANY)
    loop.run(0.3)
    assert loop.taken() > 0
    # The next one has as long again.
    loop.run(1.0)
    loop.run(1.5, 0.3)
    assert not loop.control.refuses(MANY)


def test_a_loop_that_stood_still_for_longer_has_been_late_for_as_long(loop: Loop) -> None:
    loop.run(1.0)
    loop.run(PERIOD_SECONDS, 2.5)
    assert loop.control.refuses(MANY)


def test_of_too_many_the_newest_go_a_few_at_a_time_until_the_loop_keeps_up(loop: Loop) -> None:
    loop.run(1.0)
    assert loop.control.too_many(loop.now, MANY) == 0
    loop.run(3.0, 2 * OVERLOADED_SECONDS)
    assert loop.control.too_many(loop.now, MANY) == MANY // 16
    # Whether that was enough shows only after a while.
    assert loop.control.too_many(loop.now, MANY) == 0
    loop.run(0.3, 2 * OVERLOADED_SECONDS)
    assert loop.control.too_many(loop.now, MANY) == MANY // 16
    loop.run(0.3)
    assert loop.control.refuses(MANY)
    assert loop.control.too_many(loop.now, MANY) == 0
