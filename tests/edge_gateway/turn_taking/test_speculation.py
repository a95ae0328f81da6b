"""Replies that are begun before a turn is certainly over: how many, and whether they pay."""

from __future__ import annotations

import pytest

from edge_gateway.turn_taking.speculation import HeadStarts


def guessed(head_starts: HeadStarts, turn: int, *, right: bool, waste: float = 0.5) -> bool:
    """A turn that looks over once, and is, or is not; True when a reply was begun."""
    begun = head_starts.guess(turn, "hello there", waste)
    if right:
        head_starts.settled("Hello there.")
    else:
        head_starts.wrong()
    return begun


def test_a_turn_gets_three_tries_and_the_next_turn_three_of_its_own() -> None:
    head_starts = HeadStarts()
    assert [guessed(head_starts, 1, right=True) for _ in range(4)] == [True, True, True, False]
    assert guessed(head_starts, 2, right=True)


def test_nothing_is_said_of_a_share_before_there_were_five() -> None:
    head_starts = HeadStarts()
    for turn in range(4):
        guessed(head_starts, turn, right=False)
        assert head_starts.pay(0.0)
    guessed(head_starts, 4, right=False)
    assert not head_starts.pay(0.0)
    assert head_starts.pay(1.0)


@pytest.mark.parametrize(("wrong", "pays"), [(3, True), (4, False)])
def test_as_much_may_be_wasted_as_is_allowed_and_not_more(wrong: int, pays: bool) -> None:  # noqa: FBT001 - a column of the table
    head_starts = HeadStarts()
    for turn in range(5):
        guessed(head_starts, turn, right=turn >= wrong, waste=1.0)
    assert head_starts.pay(0.6) is pays


def test_guessing_goes_on_while_nothing_is_begun_until_it_would_have_paid() -> None:
    head_starts = HeadStarts()
    assert [guessed(head_starts, turn, right=False) for turn in range(6)] == [True] * 5 + [False]
    came_back = [guessed(head_starts, turn, right=True) for turn in range(6, 16)]
    assert came_back == [False] * 6 + [True] * 4


def test_only_the_last_twelve_count() -> None:
    head_starts = HeadStarts()
    for turn in range(12):
        guessed(head_starts, turn, right=False)
    for turn in range(12, 24):
        guessed(head_starts, turn, right=True)
    assert head_starts.pay(0.0)


def test_other_words_than_those_that_were_guessed_are_a_waste() -> None:
    head_starts = HeadStarts()
    for turn in range(5):
        head_starts.guess(turn, "turn on", 1.0)
        head_starts.settled("turn on the lamp")
    assert not head_starts.pay(0.9)


def test_a_guess_is_wrong_when_another_follows_in_the_same_turn() -> None:
    head_starts = HeadStarts()
    for turn in range(3):
        head_starts.guess(turn, "turn on", 1.0)
        head_starts.guess(turn, "turn on the lamp", 1.0)
        head_starts.settled("turn on the lamp")
    assert not head_starts.pay(0.4)
    assert head_starts.pay(0.5)


def test_a_guess_counts_once_and_none_counts_nothing() -> None:
    head_starts = HeadStarts()
    for _ in range(10):
        head_starts.wrong()
        head_starts.settled("hello")
    assert head_starts.pay(0.0)
    guessed(head_starts, 1, right=False)
    for _ in range(10):
        head_starts.wrong()
    assert head_starts.pay(0.0)


def test_of_a_guess_about_an_echo_nothing_is_learnt() -> None:
    head_starts = HeadStarts()
    for turn in range(5):
        head_starts.guess(turn, "seven times eight", 1.0)
        head_starts.forget()
        head_starts.wrong()
    assert head_starts.pay(0.0)
