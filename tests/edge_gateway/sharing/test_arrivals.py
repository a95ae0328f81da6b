from __future__ import annotations

import asyncio

import pytest

from edge_gateway.sharing.arrivals import Arrivals


class Connection(asyncio.Transport):
    """One that is open until a test closes it."""

    def __init__(self) -> None:
        super().__init__()
        self.closed = False

    def is_closing(self) -> bool:
        return self.closed


@pytest.fixture
def changes(arrivals: Arrivals) -> list[int]:
    seen: list[int] = []
    arrivals.changed = lambda: seen.append(arrivals.count())
    return seen


@pytest.fixture
def arrivals() -> Arrivals:
    return Arrivals()


def test_a_connection_counts_until_it_asks_for_something_else_than_a_session(
    arrivals: Arrivals, changes: list[int]
) -> None:
    page = asyncio.Protocol()
    arrivals.comes(page)
    arrivals.is_open(page, Connection())
    assert arrivals.count() == 1
    arrivals.asked(page)
    arrivals.asked(page)
    assert changes == [0]


def test_a_session_is_counted_elsewhere_so_that_nothing_has_changed(arrivals: Arrivals, changes: list[int]) -> None:
    session = asyncio.Protocol()
    arrivals.comes(session)
    arrivals.begins_session(session)
    # What it asks for may be known before the connection is.
    arrivals.is_open(session, Connection())
    assert arrivals.count() == 0
    assert changes == []


def test_who_leaves_without_a_word_does_not_count(arrivals: Arrivals) -> None:
    shy, connection = asyncio.Protocol(), Connection()
    arrivals.comes(shy)
    arrivals.is_open(shy, connection)
    connection.closed = True
    assert arrivals.count() == 0
