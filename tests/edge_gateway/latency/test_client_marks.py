"""What a client reports of a reply reaches the turn's timeline once its clock can be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edge_gateway.latency.client_clock import ClientClock
from edge_gateway.latency.client_marks import ClientMarks
from edge_gateway.turn import Turn
from parley.conversation import ClientMark, MarkKind
from serving.telemetry import clock_ns

if TYPE_CHECKING:
    from edge_gateway.latency.timeline import ReplyTimes

MS = 1_000_000
AHEAD_US = 3_600_000_000


def sent_turn() -> tuple[Turn, int]:
    """A turn whose reply was sent half a second ago, and when that was on a client's clock an hour ahead."""
    turn, sent_ns = Turn.written(1, "hello"), clock_ns() - 500 * MS
    turn.timeline.reply.first_sent_ns = sent_ns
    return turn, sent_ns // 1_000 + AHEAD_US


def learn(clock: ClientClock, ahead_us: int = AHEAD_US) -> None:
    """One good exchange with a client that is so far ahead."""
    at_us = clock_ns() // 1_000
    clock.exchange(at_us, at_us + ahead_us + 50, at_us + ahead_us + 50, at_us + 100)


def marks_of(times: ReplyTimes) -> list[int]:
    """Milliseconds after the sending; the moments that are not known are left out."""
    known = [each for each in (times.arrived_ns, times.rendered_ns, times.audible_ns) if each]
    return [round((each - times.first_sent_ns) / MS) for each in known]


def test_the_moments_of_a_reply_are_taken_and_the_last_tells_when_it_could_be_heard() -> None:
    clock, (turn, sent_us) = ClientClock(), sent_turn()
    marks = ClientMarks(clock)
    learn(clock)
    assert not marks.take(turn, ClientMark(MarkKind.FIRST_PACKET, 1, sent_us + 20_000))
    assert not marks.take(turn, ClientMark(MarkKind.FIRST_RENDERED, 1, sent_us + 80_000))
    assert marks.take(turn, ClientMark(MarkKind.FIRST_AUDIBLE, 1, sent_us + 100_000))
    assert marks_of(turn.timeline.reply) == [20, 80, 100]


def test_what_is_reported_before_the_first_pong_waits_for_it() -> None:
    clock, (turn, sent_us) = ClientClock(), sent_turn()
    marks = ClientMarks(clock)
    assert not marks.take(turn, ClientMark(MarkKind.FIRST_PACKET, 1, sent_us + 20_000))
    assert not marks.take(turn, ClientMark(MarkKind.FIRST_AUDIBLE, 1, sent_us + 100_000))
    assert not marks.settle(turn)
    assert marks_of(turn.timeline.reply) == []
    learn(clock)
    assert marks.settle(turn)
    assert marks_of(turn.timeline.reply) == [20, 100]


def test_a_clock_that_becomes_known_tells_nothing_of_a_reply_that_is_not_heard_yet() -> None:
    clock, (turn, sent_us) = ClientClock(), sent_turn()
    marks = ClientMarks(clock)
    assert not marks.settle(turn)
    marks.take(turn, ClientMark(MarkKind.FIRST_PACKET, 1, sent_us + 20_000))
    learn(clock)
    assert not marks.settle(turn)
    assert marks_of(turn.timeline.reply) == [20]


def test_of_a_moment_that_is_told_twice_the_first_counts() -> None:
    clock, (turn, sent_us) = ClientClock(), sent_turn()
    marks = ClientMarks(clock)
    learn(clock)
    marks.take(turn, ClientMark(MarkKind.FIRST_AUDIBLE, 1, sent_us + 100_000))
    marks.take(turn, ClientMark(MarkKind.FIRST_AUDIBLE, 1, sent_us + 300_000))
    assert marks_of(turn.timeline.reply) == [100]


def test_another_turn_begins_without_the_moments_of_the_one_before() -> None:
    clock, (turn, sent_us) = ClientClock(), sent_turn()
    marks = ClientMarks(clock)
    learn(clock)
    marks.take(turn, ClientMark(MarkKind.FIRST_AUDIBLE, 1, sent_us + 100_000))
    following, following_us = sent_turn()
    assert not marks.settle(following)
    assert not marks.take(following, ClientMark(MarkKind.FIRST_PACKET, 2, following_us + 30_000))
    assert marks_of(following.timeline.reply) == [30]


@pytest.mark.parametrize("kind", [MarkKind.DUCKED, MarkKind.SILENT, MarkKind.UNSPECIFIED])
def test_other_moments_say_nothing_of_the_reply(kind: MarkKind) -> None:
    clock, (turn, sent_us) = ClientClock(), sent_turn()
    marks = ClientMarks(clock)
    learn(clock)
    assert not marks.take(turn, ClientMark(kind, 1, sent_us + 20_000))
    assert marks_of(turn.timeline.reply) == []


@pytest.mark.parametrize("unix_us", [0, -1, 1, -(2**63), 2**63 - 1])
def test_a_moment_that_cannot_be_is_left_out_and_does_not_tell_that_the_reply_could_be_heard(unix_us: int) -> None:
    clock, (turn, sent_us) = ClientClock(), sent_turn()
    marks = ClientMarks(clock)
    learn(clock)
    marks.take(turn, ClientMark(MarkKind.FIRST_PACKET, 1, sent_us + 20_000))
    assert not marks.take(turn, ClientMark(MarkKind.FIRST_AUDIBLE, 1, unix_us))
    assert marks_of(turn.timeline.reply) == [20]


def test_after_a_jump_of_the_clients_clock_the_moments_before_it_are_left_out() -> None:
    clock, (turn, sent_us) = ClientClock(), sent_turn()
    marks = ClientMarks(clock)
    learn(clock)
    marks.take(turn, ClientMark(MarkKind.FIRST_PACKET, 1, sent_us + 20_000))
    learn(clock, AHEAD_US - 60_000_000)
    assert marks.take(turn, ClientMark(MarkKind.FIRST_AUDIBLE, 1, sent_us - 60_000_000 + 100_000))
    assert marks_of(turn.timeline.reply) == [100]
