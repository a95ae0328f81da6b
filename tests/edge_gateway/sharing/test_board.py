from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from edge_gateway.sharing.board import Board, Row, gateways_on, next_of
from parley.errors import Unavailable

if TYPE_CHECKING:
    from pathlib import Path

NOW = 1_000.0
ME, OTHER, THIRD = 1, 2, 3


def row(process: int, load: int = 0, *, takes: bool = True, coming: int = 0, heard: float = NOW) -> Row:
    return Row(process, heard, takes, load, coming)


@pytest.mark.parametrize(
    ("rows", "chosen"),
    [
        ([], ME),
        ([row(ME, 3), row(OTHER, 2)], OTHER),
        ([row(ME, 2), row(OTHER, 3)], ME),
        # Nothing is handed on without a gain.
        ([row(OTHER, 2), row(ME, 2)], ME),
        # What is on its way counts.
        ([row(ME, 3), row(OTHER, 2, coming=2), row(THIRD, 3)], ME),
        # Who stops, or is overloaded, gets none; where all are, whoever has it keeps it, and refuses.
        ([row(ME, 3), row(OTHER, 2, takes=False)], ME),
        ([row(ME, 3, takes=False), row(OTHER, 9)], OTHER),
        ([row(ME, 3, takes=False), row(OTHER, 2, takes=False)], ME),
        # Who was not heard of for over a second hangs.
        ([row(ME, 3), row(OTHER, 2, heard=NOW - 1.1)], ME),
        ([row(ME, 3, heard=NOW - 5), row(OTHER, 4)], ME),
    ],
)
def test_the_next_connection_is_the_turn_of_who_has_the_least_to_do(rows: list[Row], chosen: int) -> None:
    assert next_of(rows, ME, NOW) == chosen


def test_connections_that_are_chosen_one_after_the_other_go_to_each_in_turn(tmp_path: Path) -> None:
    with closing(Board(tmp_path / "board", ME)) as mine, closing(Board(tmp_path / "board", OTHER)) as theirs:
        mine.tell(row(ME))
        theirs.tell(row(OTHER))
        # Whoever accepts them, and before any has arrived.
        chosen = [(mine, theirs)[number % 3 == 0].choose(NOW) for number in range(40)]
        assert (chosen.count(ME), chosen.count(OTHER)) == (20, 20)


def test_what_arrives_is_no_longer_on_its_way(tmp_path: Path) -> None:
    with closing(Board(tmp_path / "board", ME)) as mine:
        mine.tell(row(ME))
        assert mine.choose(NOW) == ME
        assert [each.coming for each in mine.gateways(NOW)] == [1]
        # What a gateway tells of itself changes nothing of that.
        mine.tell(row(ME, 5))
        assert [(each.load, each.coming) for each in mine.gateways(NOW)] == [(5, 1)]
        mine.arrived(ME)
        mine.arrived(ME)
        assert [each.coming for each in mine.gateways(NOW)] == [0]


def test_who_leaves_is_gone_for_the_others(tmp_path: Path) -> None:
    with closing(Board(tmp_path / "board", ME)) as mine:
        with closing(Board(tmp_path / "board", OTHER)) as theirs:
            mine.tell(row(ME, 9))
            theirs.tell(row(OTHER))
            assert mine.choose(NOW) == OTHER
        assert mine.choose(NOW) == ME
        assert [each.process for each in mine.gateways(NOW)] == [ME]


def test_there_is_a_most_and_the_place_of_one_that_died_is_taken(tmp_path: Path) -> None:
    boards = [Board(tmp_path / "board", number) for number in range(1, 34)]
    try:
        for number, board in enumerate(boards[:32], start=1):
            board.tell(row(number))
        with pytest.raises(Unavailable, match="a port of its own"):
            boards[32].tell(row(33))
        for number, board in enumerate(boards[1:32], start=2):
            board.tell(row(number, heard=NOW + 20))
        boards[32].tell(row(33, heard=NOW + 20))
        assert 1 not in [each.process for each in boards[32].gateways(NOW + 20)]
    finally:
        for board in boards:
            board.close()


def test_a_gateway_tells_the_others_all_of_itself(tmp_path: Path) -> None:
    told = Row(ME, NOW, takes=False, load=7, sessions=5, most=120, own_port=9_104)
    with closing(Board(tmp_path / "board", ME)) as mine, closing(Board(tmp_path / "board", OTHER)) as theirs:
        mine.tell(told)
        assert theirs.gateways(NOW) == [told]
        assert gateways_on(tmp_path / "board", NOW) == [told]
        assert mine.choose(NOW) == ME
