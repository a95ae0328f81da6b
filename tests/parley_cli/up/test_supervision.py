"""Whether and when a process that ended is started again, with a clock that stands where the test puts it."""

from __future__ import annotations

import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley_cli.up.supervision import MISCONFIGURED, Again, Exit, GiveUp, Restarts

KILLED = Exit(-signal.SIGKILL)
CRASHED = Exit(1, "ValueError: no such thing")


def ends(restarts: Restarts, count: int, now: float = 0.0) -> list[Again | GiveUp]:
    return [restarts.ended(CRASHED, now, at_start=False) for _ in range(count)]


@pytest.mark.parametrize(
    ("end", "told"),
    [
        (KILLED, "was killed, as the system does when memory runs out (SIGKILL)"),
        (Exit(-signal.SIGSEGV), "was ended by SIGSEGV"),
        (Exit(-50), "was ended by signal 50"),
        (CRASHED, "ended with status 1: ValueError: no such thing"),
        (Exit(0), "ended with status 0"),
        (Exit(MISCONFIGURED, "PARLEY_X=1: not one of 2"), "cannot run: PARLEY_X=1: not one of 2"),
        (Exit(MISCONFIGURED), "ended with status 2"),
    ],
)
def test_why_it_ended_is_a_sentence(end: Exit, told: str) -> None:
    assert end.why == told


def test_it_is_started_again_after_a_time_that_doubles_up_to_half_a_minute() -> None:
    times = [each.after_seconds for each in ends(Restarts("tts_server"), 9) if isinstance(each, Again)]
    assert times == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]


def test_the_fifth_end_in_a_row_is_told_as_no_accident_and_only_that_one() -> None:
    told = [each.told for each in ends(Restarts("tts_server"), 7)]
    assert ["no accident" in each for each in told] == [False] * 4 + [True] + [False] * 2
    assert "python -m tts_server" in told[4]
    assert "parley doctor" in told[4]
    assert all(each.startswith("tts_server ended with status 1: ValueError: no such thing; ") for each in told)


def test_who_has_served_for_a_minute_begins_anew() -> None:
    restarts = Restarts("tts_server")
    ends(restarts, 4)
    restarts.serving(100)
    again = restarts.ended(KILLED, 160, at_start=False)
    assert isinstance(again, Again)
    assert again.after_seconds == 0.5


def test_who_serves_only_for_seconds_does_not() -> None:
    restarts = Restarts("tts_server")
    told = []
    for now in range(0, 25, 5):
        told.append(restarts.ended(KILLED, now, at_start=False).told)
        restarts.serving(now + 4)
    assert ["no accident" in each for each in told] == [False] * 4 + [True]


def test_its_first_start_is_nothing_to_tell_and_its_return_is() -> None:
    restarts = Restarts("asr_server")
    assert restarts.serving(1) == ""
    restarts.ended(KILLED, 10, at_start=False)
    restarts.ended(CRASHED, 11, at_start=False)
    assert restarts.serving(12.5) == "asr_server is back after 2.5 s"


def test_what_the_user_must_mend_ends_the_start_at_once() -> None:
    end = Exit(MISCONFIGURED, "PARLEY_LLM_MODEL is empty")
    given_up = Restarts("llm_server").ended(end, 0, at_start=True)
    assert given_up == GiveUp("llm_server cannot run: PARLEY_LLM_MODEL is empty")


def test_what_crashes_at_the_start_is_tried_three_times() -> None:
    restarts = Restarts("llm_server")
    first, second, third = (restarts.ended(CRASHED, 0, at_start=True) for _ in range(3))
    assert isinstance(first, Again)
    assert isinstance(second, Again)
    assert third == GiveUp("llm_server ended with status 1: ValueError: no such thing, 3 times in a row")


def test_once_parley_runs_not_even_a_wrong_setting_ends_it() -> None:
    restarts = Restarts("llm_server")
    restarts.serving(0)
    assert isinstance(restarts.ended(Exit(MISCONFIGURED, "a file is gone"), 5, at_start=False), Again)


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1_000), st.integers(-64, 255)), max_size=40))
def test_whatever_happens_it_is_tried_again_within_half_a_minute(course: list[tuple[bool, float, int]]) -> None:
    restarts, now = Restarts("asr_server"), 0.0
    for serves, seconds, status in course:
        now += seconds
        if serves:
            restarts.serving(now)
        else:
            again = restarts.ended(Exit(status), now, at_start=False)
            assert isinstance(again, Again)
            assert 0 < again.after_seconds <= 30
