"""What is learnt of a speaker's pauses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_server.endpointing.adaptive import PauseProfile
from asr_server.endpointing.config import EndpointingConfig

CONFIG = EndpointingConfig()


def fluent(turns: int) -> PauseProfile:
    profile = PauseProfile.of(CONFIG)
    for _ in range(turns):
        profile = profile.ended()
    return profile


def test_a_session_begins_patient_with_statements_and_quick_with_questions() -> None:
    profile = PauseProfile.of(CONFIG)
    assert profile.statement_seconds == CONFIG.patient_silence_seconds
    assert profile.question_seconds == CONFIG.finished_silence_seconds


def test_three_turns_in_one_breath_bring_nearly_all_of_the_speed() -> None:
    assert fluent(3).statement_seconds - CONFIG.finished_silence_seconds < 0.02


def test_a_pause_makes_patient_at_once_and_with_questions_too() -> None:
    profile = fluent(5).paused(0.4)
    assert profile.statement_seconds == profile.question_seconds == CONFIG.patient_silence_seconds


def test_a_short_pause_announces_longer_ones() -> None:
    assert 0.45 < fluent(5).paused(0.2).statement_seconds < 0.5
    assert 0.55 < fluent(5).paused(0.25).statement_seconds < CONFIG.patient_silence_seconds


def test_of_a_speaker_who_is_not_known_yet_a_short_pause_says_more() -> None:
    assert fluent(1).paused(0.2).statement_seconds == CONFIG.patient_silence_seconds
    assert fluent(2).paused(0.2).statement_seconds < 0.5


def test_one_turn_in_one_breath_may_be_chance() -> None:
    beyond = CONFIG.patient_silence_seconds - CONFIG.finished_silence_seconds
    left = [fluent(turns).statement_seconds - CONFIG.finished_silence_seconds for turns in (1, 2)]
    assert left[0] == pytest.approx(0.5 * beyond)
    assert left[1] < 0.06 * beyond


def test_a_longer_pause_is_waited_out_the_next_time() -> None:
    assert fluent(5).paused(0.9).statement_seconds > 0.9


def test_the_gaps_between_words_are_no_pauses() -> None:
    assert fluent(5).paused(0.15) == fluent(5)


def test_who_has_paused_for_long_is_given_time_for_longer() -> None:
    gap, hesitation = (fluent(5).paused(pause).ended().ended().statement_seconds for pause in (0.3, 0.4))
    assert gap < CONFIG.finished_silence_seconds + 0.05
    assert hesitation > CONFIG.finished_silence_seconds + 0.2


def test_a_turn_with_a_pause_keeps_the_patience() -> None:
    paused = fluent(5).paused(0.4)
    assert paused.ended().statement_seconds == paused.statement_seconds
    assert paused.ended().ended().statement_seconds < paused.statement_seconds


def test_a_turn_that_was_cut_off_makes_patient() -> None:
    assert fluent(5).cut_off(0.5).statement_seconds == CONFIG.patient_silence_seconds


def test_other_bounds_hold_from_now_on() -> None:
    profile = fluent(1).reconfigured(EndpointingConfig(finished_silence_seconds=0.6))
    assert profile.statement_seconds >= 0.6
    assert profile.question_seconds == 0.6


@given(st.lists(st.one_of(st.none(), st.tuples(st.booleans(), st.floats(0.0, 5.0)))))
def test_whatever_happens_the_bounds_hold(steps: list[tuple[bool, float] | None]) -> None:
    profile = PauseProfile.of(CONFIG)
    for step in steps:
        match step:
            case None:
                profile = profile.ended()
            case (True, seconds):
                profile = profile.paused(seconds)
            case (_, seconds):
                profile = profile.cut_off(seconds)
        for wait in (profile.statement_seconds, profile.question_seconds):
            assert CONFIG.finished_silence_seconds <= wait <= CONFIG.patience_limit_seconds
