"""Pings are numbered, and only their own answers count."""

from __future__ import annotations

import pytest

from edge_gateway.latency.client_clock import ClientClock
from edge_gateway.latency.pings import Pings
from parley.conversation import Ping, Pong


def pong(ping: Ping, *, ahead_us: int = 0, way_us: int = 100) -> Pong:
    """An answer of a client whose clock is ahead, `way_us` after the ping was sent."""
    at_us = ping.sent_unix_us + way_us + ahead_us
    return Pong(ping.id, at_us, at_us)


def test_an_answer_makes_the_clock_known_once() -> None:
    clock = ClientClock()
    pings = Pings(clock)
    first, second = pings.next(1_000_000), pings.next(1_200_000)
    assert (first.id, first.sent_unix_us) != (second.id, second.sent_unix_us)
    assert pings.answered(pong(first, ahead_us=5_000_000), 1_000_200)
    assert clock.to_gateway_us(6_000_000) == 1_000_000
    assert not pings.answered(pong(second, ahead_us=5_000_000), 1_200_200)
    assert clock.round_trip_us == 200


def test_the_same_answer_twice_counts_once() -> None:
    clock = ClientClock()
    pings = Pings(clock)
    ping = pings.next(1_000_000)
    pings.answered(pong(ping, way_us=400), 1_000_800)
    assert not pings.answered(pong(ping, way_us=100), 1_000_200)
    assert clock.round_trip_us == 800


@pytest.mark.parametrize("number", [0, 2, -1, 2**63 - 1])
def test_an_answer_to_nothing_says_nothing(number: int) -> None:
    clock = ClientClock()
    pings = Pings(clock)
    pings.next(1_000_000)
    assert not pings.answered(Pong(number, 1_000_100, 1_000_100), 1_000_200)
    assert not clock.known


def test_an_answer_that_cannot_be_leaves_the_clock_unknown() -> None:
    clock = ClientClock()
    pings = Pings(clock)
    ping = pings.next(1_000_000)
    assert not pings.answered(Pong(ping.id, 2**63 - 1, -1), 1_000_200)
    assert not clock.known
    assert pings.answered(pong(pings.next(1_200_000)), 1_200_200)


def test_a_client_that_never_answers_is_remembered_by_eight_pings() -> None:
    clock = ClientClock()
    pings = Pings(clock)
    sent = [pings.next(place * 1_000_000) for place in range(1, 10)]
    assert not pings.answered(pong(sent[0]), 9_500_000)
    assert pings.answered(pong(sent[1]), 9_500_000)


def test_five_pings_come_quickly_and_the_others_seldom() -> None:
    pings, pauses = Pings(ClientClock()), []
    for place in range(1, 9):
        pings.next(place * 1_000_000)
        pauses.append(pings.pause_seconds)
    assert pauses == [0.2] * 4 + [5.0] * 4


def test_a_client_that_says_nothing_is_pinged_once_and_again_when_it_says_something() -> None:
    pings = Pings(ClientClock())
    due: list[float | None] = []

    def note() -> None:
        due.append(None if pings.at is None else round(pings.at, 3))

    # Of a client that was never there.
    pings.heard(9.0)
    note()
    pings.first(1_000_000, 10.0)
    note()
    assert pings.heard(10.05)
    note()
    assert not pings.heard(10.1)
    pings.next(1_200_000, 10.2)
    note()
    pings.next(1_400_000, 10.4)
    note()
    assert pings.heard(99.0)
    note()
    assert due == [None, None, 10.2, 10.4, None, 99.0]
