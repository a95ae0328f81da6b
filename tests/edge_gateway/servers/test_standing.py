"""How a server stands: what it says of itself, and what became of calls to it."""

from __future__ import annotations

from edge_gateway.servers.standing import Rank, Standing, State


def test_a_server_is_of_use_when_it_says_so_and_no_longer() -> None:
    standing = Standing()
    assert (standing.state, standing.rank) == (State.UNKNOWN, Rank.NO_USE)
    assert standing.serves(0.0) == 0.0
    assert standing.rank is Rank.GOOD
    standing.drains(1.0)
    assert (standing.state, standing.rank) == (State.DRAINING, Rank.NO_USE)
    standing.is_lost("refused", 2.0, has_calls=False)
    assert (standing.state, standing.reason) == (State.LOST, "refused")


def test_a_server_that_drains_is_not_lost_before_its_calls_are_over() -> None:
    standing = Standing()
    standing.serves(0.0)
    standing.drains(1.0)
    standing.is_lost("refused", 2.0, has_calls=True)
    kept = standing.state
    standing.is_lost("refused", 3.0, has_calls=False)
    assert (kept, standing.state) == (State.DRAINING, State.LOST)


def test_a_server_whose_calls_fail_is_the_last_to_be_asked_until_it_has_answered() -> None:
    standing = Standing()
    standing.serves(0.0)
    assert standing.doubt(1.0) == 0.25
    doubted = standing.rank
    standing.trust()
    assert (doubted, standing.rank) == (Rank.DOUBTFUL, Rank.GOOD)


def test_the_more_often_calls_fail_the_longer_a_server_is_left_alone_up_to_sixteen_seconds() -> None:
    standing = Standing()
    standing.serves(0.0)
    assert [standing.doubt(float(at)) for at in range(9)] == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 16.0, 16.0]
    assert standing.doubt(69.0) == 0.25


def test_a_server_that_was_started_again_is_believed_at_once_and_one_that_comes_and_goes_later_and_later() -> None:
    standing, pauses = Standing(), []
    standing.serves(0.0)
    for at in range(1, 5):
        standing.drains(float(at))
        pauses.append(standing.serves(at + 0.5))
        standing.trust()
    assert pauses == [0.0, 0.5, 1.0, 2.0]
    standing.drains(100.0)
    assert standing.serves(101.0) == 0.0


def test_a_server_that_repeats_itself_has_not_come_back() -> None:
    standing = Standing()
    for at in range(5):
        assert standing.serves(float(at)) == 0.0
    assert standing.rank is Rank.GOOD
