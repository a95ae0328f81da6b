"""All that a session needs must have room: the gateway, and one server of each kind."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf

import pytest

from edge_gateway.capacity.control import ALWAYS_TAKEN
from edge_gateway.capacity.path import FULL, FULL_ENGINE_WAIT_SECONDS, FULL_LAG_SECONDS, PartLoad, PathControl

MANY = 100


@dataclass
class Path:
    """A gateway and its servers, whose loads the test owns."""

    control: PathControl = field(default_factory=PathControl)
    now: float = 1_000.0

    def run(self, looks: int, *parts: PartLoad, sessions: int = MANY) -> None:
        for _ in range(looks):
            self.now += 1.0
            self.control.look(self.now, parts, sessions)

    def taken(self, sessions: int = MANY, newcomers: int = 0) -> int:
        """How many come in before the next look, beside those who have not shown what they cost."""
        count = 0
        while self.control.takes(sessions, newcomers + count) and count < 10_000:
            count += 1
        return count


@pytest.fixture
def path() -> Path:
    return Path()


@pytest.mark.parametrize("part", ["gateway", "asr", "llm", "tts"])
@pytest.mark.parametrize(
    "load",
    [{"busy": FULL}, {"lag_seconds": FULL_LAG_SECONDS}, {"engine_wait_seconds": FULL_ENGINE_WAIT_SECONDS}],
)
def test_one_part_that_has_too_much_to_do_refuses_and_is_named(path: Path, part: str, load: dict[str, float]) -> None:
    path.run(2, PartLoad("other", 0.1), PartLoad(part, **load))
    assert path.control.refuses(MANY) == part
    assert path.taken() == 0


def test_one_long_second_refuses_nobody(path: Path) -> None:
    path.run(1, PartLoad("asr", 1.0))
    assert path.control.refuses(MANY) == ""


def test_between_the_two_lines_a_part_stays_as_it_was(path: Path) -> None:
    between = PartLoad("asr", FULL - 0.05)
    path.run(3, between)
    assert path.control.full == ""
    path.run(2, PartLoad("asr", 1.0))
    path.run(3, between)
    assert path.control.full == "asr"
    path.run(1, PartLoad("asr", 0.3))
    assert path.control.full == ""


def test_a_part_that_is_away_keeps_nobody_out(path: Path) -> None:
    path.run(2, PartLoad("asr", 1.0))
    path.run(1)
    assert path.control.refuses(MANY) == ""


def test_a_few_are_always_taken(path: Path) -> None:
    path.run(3, PartLoad("asr", 1.0))
    assert path.control.refuses(ALWAYS_TAKEN - 1) == ""
    assert path.control.takes(ALWAYS_TAKEN - 1, 0)
    assert path.control.refuses(ALWAYS_TAKEN) == "asr"
    assert path.control.too_many(ALWAYS_TAKEN) == 0


def test_while_nobody_knows_what_a_session_costs_all_come_in(path: Path) -> None:
    assert path.control.room(0) == inf
    path.run(1, PartLoad("gateway", 0.01), sessions=0)
    assert path.taken(sessions=ALWAYS_TAKEN) == 10_000


def test_newcomers_come_in_only_as_far_as_the_fullest_part_bears_them_before_any_of_them_talks(path: Path) -> None:
    path.run(10, PartLoad("gateway", 0.2), PartLoad("asr", 0.5), sessions=20)
    assert path.control.fullest == "asr"
    room = int((FULL - 0.5) / (0.5 / 20))
    assert path.taken(sessions=20) == room
    # They have not been heard yet.
    path.run(1, PartLoad("gateway", 0.2), PartLoad("asr", 0.5), sessions=20 + room)
    assert path.taken(sessions=20 + room, newcomers=room) < 4
    path.run(3, PartLoad("gateway", 0.4), PartLoad("asr", FULL - 0.01), sessions=20 + room)
    assert path.taken(sessions=20 + room) == 0


def test_before_any_has_come_a_session_is_thought_to_cost_what_was_said() -> None:
    path = Path(PathControl(0.03))
    assert path.taken() == int(FULL / 0.03)
    path.run(1, PartLoad("gateway", 0.3), PartLoad("asr", 0.1), sessions=0)
    assert path.taken() == int((FULL - 0.3) / 0.03)
    assert path.taken(newcomers=15) == int((FULL - 0.3) / 0.03) - 15


def test_sessions_of_which_few_talk_do_not_make_newcomers_cheap_and_dear_ones_make_them_dear() -> None:
    path = Path(PathControl(0.03))
    path.run(100, PartLoad("asr", 0.1), sessions=MANY)
    assert path.taken() == int((FULL - 0.1) / 0.03)
    path.run(20, PartLoad("asr", 0.5), sessions=10)
    assert path.taken() == int((FULL - 0.5) / 0.05)


def test_a_second_in_which_all_pause_makes_no_room(path: Path) -> None:
    path.run(10, PartLoad("asr", 0.8), sessions=20)
    path.run(1, PartLoad("asr", 0.2), sessions=20)
    assert path.taken(sessions=20) <= 3


def test_sessions_that_turn_out_to_be_silent_make_room_for_others(path: Path) -> None:
    path.run(10, PartLoad("asr", 0.8), sessions=20)
    assert path.taken(sessions=20) == 2
    path.run(30, PartLoad("asr", 0.1), sessions=24)
    assert path.taken(sessions=24) > 50


def test_of_too_many_the_newest_go_a_few_at_a_look_while_a_part_has_no_time_left(path: Path) -> None:
    path.run(1, PartLoad("asr", 1.0))
    assert path.control.too_many(MANY) == 0
    path.run(1, PartLoad("asr", 1.0))
    assert path.control.too_many(MANY) == MANY // 8
    path.run(1, PartLoad("asr", 0.92))
    assert path.control.full == "asr"
    assert path.control.too_many(MANY) == 0


def test_a_hundred_who_come_together_are_half_as_many_before_the_eldest_of_them_have_begun(path: Path) -> None:
    """A part that bears forty: it has no time left as long as there are more."""
    sessions = MANY
    for _ in range(8):
        path.run(1, PartLoad("asr", min(1.0, sessions / 40)), sessions=sessions)
        sessions -= path.control.too_many(sessions)
    assert 30 <= sessions <= 50
