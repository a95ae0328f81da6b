"""Putting a client's clock on the gateway's, whatever the client says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_gateway.latency.client_clock import ClientClock

DELAYS = st.integers(0, 400_000)
# A client may put anything into a pong that fits its field.
ANY_TIME = st.one_of(st.integers(-(2**63), 2**63 - 1), st.sampled_from([-(2**63), -1, 0, 1, 2**62, 2**63 - 1]))
SECOND_US = 1_000_000
HOUR_US = 3_600 * SECOND_US


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


@given(
    before=st.lists(st.tuples(DELAYS, DELAYS), min_size=1, max_size=12),
    ways=st.tuples(DELAYS, DELAYS),
    jump_us=st.one_of(st.integers(2 * SECOND_US, HOUR_US), st.integers(-HOUR_US, -2 * SECOND_US)),
)
def test_after_a_jump_of_the_clients_clock_only_what_came_later_counts(
    before: list[tuple[int, int]], ways: tuple[int, int], jump_us: int
) -> None:
    clock = ClientClock()
    for place, (up_us, down_us) in enumerate(before):
        exchange(clock, place * SECOND_US, 0, up_us, down_us)
    exchange(clock, len(before) * SECOND_US, jump_us, *ways)
    assert clock.round_trip_us == sum(ways)
    assert abs(clock.to_gateway_us(jump_us)) <= clock.uncertainty_us + 1


def test_two_clocks_that_only_drift_keep_their_best_exchange() -> None:
    clock = ClientClock()
    exchange(clock, 0, 0, 100, 100)
    # 200 parts in a million for a minute, which is a bad clock, and a slow network.
    exchange(clock, 60 * SECOND_US, 12_000, 40_000, 40_000)
    assert clock.round_trip_us == 200


def test_an_exchange_is_believed_for_twelve_pings() -> None:
    clock = ClientClock()
    exchange(clock, 0, 0, 100, 100)
    for place in range(1, 12):
        exchange(clock, place * SECOND_US, 0, 500, 500)
    assert clock.round_trip_us == 200
    exchange(clock, 12 * SECOND_US, 0, 500, 500)
    assert clock.round_trip_us == 1_000


@pytest.mark.parametrize(
    ("received_us", "answered_us"),
    [
        pytest.param(-(2**63), -(2**63), id="as early as can be"),
        pytest.param(2**63 - 1, 2**63 - 1, id="as late as can be"),
        pytest.param(2_000_000, 1_000_000, id="answered before it was received"),
        pytest.param(0, 30_000_000, id="kept longer than it was away"),
        pytest.param(-1, 2**63 - 1, id="nonsense"),
    ],
)
def test_a_pong_that_cannot_be_teaches_nothing(received_us: int, answered_us: int) -> None:
    clock = ClientClock()
    clock.exchange(1_000_000, received_us, answered_us, 1_000_400)
    assert not clock.known
    exchange(clock, 0, 0, 500, 500)
    clock.exchange(2_000_000, received_us, answered_us, 2_000_400)
    assert (clock.round_trip_us, clock.to_gateway_us(5)) == (1_000, 5)


@given(pongs=st.lists(st.tuples(st.integers(0, 10**16), ANY_TIME, ANY_TIME, st.integers(-(10**6), 10**7)), max_size=20))
def test_no_pong_makes_a_round_trip_that_is_longer_than_it_took(pongs: list[tuple[int, int, int, int]]) -> None:
    clock, longest_us = ClientClock(), 0
    for sent_us, received_us, answered_us, took_us in pongs:
        clock.exchange(sent_us, received_us, answered_us, sent_us + took_us)
        longest_us = max(longest_us, took_us)
    assert 0 <= clock.round_trip_us <= longest_us
