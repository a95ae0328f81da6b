"""An echo goes down with the reply; a user does not."""

from __future__ import annotations

from edge_gateway.turn_taking.echo import DuckProbe

ROOM_DB = -66.0


def heard(before_db: float, after_db: float, *, packets_after: int = 25, delay: int = 7) -> DuckProbe:
    """A voice that goes from one level to another `delay` packets after the duck."""
    probe = DuckProbe(-18.0)
    for level in [ROOM_DB] * 20 + [before_db] * 6:
        probe.hear(level)
    probe.ducked()
    for place in range(packets_after):
        probe.hear(before_db if place < delay else after_db)
    return probe


def test_a_sound_that_goes_down_as_far_as_the_reply_is_its_echo() -> None:
    assert heard(-38.0, -56.0).is_echo
    assert heard(-38.0, -52.0).is_echo


def test_an_echo_may_be_at_a_soft_syllable_when_it_is_judged() -> None:
    assert heard(-34.0, -60.0).is_echo


def test_a_user_who_goes_on_is_no_echo() -> None:
    assert heard(-25.0, -25.0).is_echo is False
    assert heard(-25.0, -31.0).is_echo is False


def test_of_a_voice_that_fell_silent_nothing_is_known() -> None:
    assert heard(-48.0, ROOM_DB).is_echo is None
    assert heard(-20.0, ROOM_DB).is_echo is None


def test_nothing_is_said_before_the_duck_can_have_come_back() -> None:
    assert heard(-38.0, -56.0, packets_after=12).is_echo is None


def test_gaps_between_words_do_not_make_an_echo_of_a_user() -> None:
    probe = DuckProbe(-18.0)
    for level in [ROOM_DB] * 20 + [-25.0] * 6:
        probe.hear(level)
    probe.ducked()
    for place in range(40):
        probe.hear(-25.0 if place // 5 % 2 else -45.0)
    assert probe.is_echo is False


def test_a_reply_at_full_is_not_judged() -> None:
    probe = heard(-38.0, -56.0)
    probe.restored()
    assert probe.is_echo is None
