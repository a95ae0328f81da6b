"""Putting a client's clock on the gateway's."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge_gateway.latency.client_clock import ClientClock

DELAYS = st.integers(0, 400_000)


def exchange(clock: ClientClock, at_us: int, ahead_us: int, up_us: int, down_us: int) -> None:
    """A ping sent at `at_us` to a client whose clock is `ahead_us` ahead, `down_us` on its way there, `up_us` back."""
    there = at_us + down_us
    clock.exchange(at_us, there + ahead_us, there + ahead_us + 50, there + 50 + up_us)


def test_before_the_first_exchange_the_clocks_are_taken_as_one() -> None:
    clock = ClientClock()
    assert not clock.known
    assert clock.to_gateway_us(1_000_000) == 1_000_000


def test_the_exchange_with_the_least_round_trip_is_believed() -> None:
    clock = ClientClock()
    exchange(clock, 0, 30_000_000, 1_000, 90_000)
    exchange(clock, 10_000_000, 30_000_000, 300, 300)
    exchange(clock, 20_000_000, 30_000_000, 70_000, 1_000)
    assert clock.to_gateway_us(31_000_000) == 1_000_000
    assert clock.round_trip_us == 600


@given(st.lists(st.tuples(DELAYS, DELAYS), min_size=1, max_size=20), st.integers(-(10**12), 10**12))
def test_the_error_is_never_more_than_the_uncertainty_says(ways: list[tuple[int, int]], ahead_us: int) -> None:
    clock = ClientClock()
    for place, (up_us, down_us) in enumerate(ways):
        exchange(clock, place * 1_000_000, ahead_us, up_us, down_us)
    assert abs(clock.to_gateway_us(ahead_us)) <= clock.uncertainty_us + 1


def test_a_clock_that_was_set_back_in_between_is_not_believed() -> None:
    clock = ClientClock()
    exchange(clock, 0, 0, 500, 500)
    clock.exchange(1_000_000, 1_000_100, 1_000_200, 999_000)
    assert clock.round_trip_us == 1_000
