"""Turns that were taken to be over too early are found, and no others."""

from __future__ import annotations

import pytest

from edge_gateway.latency.endpointing_quality import Regret
from edge_gateway.latency.timeline import Marks
from parley import asr

RATE_HZ = 16_000


def end(at_seconds: float, reason: asr.EndReason = asr.EndReason.SILENCE) -> asr.EndOfTurn:
    timings = asr.Timings(endpoint_ms=330, queue_ms=0, transcribe_ms=50, final_ms=0, eager=True)
    sample = round(at_seconds * RATE_HZ)
    return asr.EndOfTurn(1, "hello", 0, sample, sample - 5_000, reason, timings, 800)


def speech(at_seconds: float) -> asr.SpeechStarted:
    return asr.SpeechStarted(2, round(at_seconds * RATE_HZ), 200)


@pytest.mark.parametrize(("went_on_seconds", "too_early"), [(2.3, True), (2.9, True), (3.2, False)])
def test_a_user_who_goes_on_within_a_second_had_not_finished(went_on_seconds: float, too_early: bool) -> None:  # noqa: FBT001 - a table
    regret, first = Regret(), Marks()
    assert not regret.ended(end(2.0), first, ignored=False)
    regret.began(speech(went_on_seconds))
    assert first.too_early is too_early
    assert regret.ended(end(6.0), Marks(), ignored=False) is too_early


def test_an_echo_is_nobody_going_on() -> None:
    regret, first = Regret(), Marks()
    regret.ended(end(2.0), first, ignored=False)
    regret.began(speech(2.3))
    assert not regret.ended(end(4.0), Marks(), ignored=True)
    assert not first.too_early


def test_a_turn_that_was_split_for_its_length_is_no_regret() -> None:
    regret, first = Regret(), Marks()
    regret.ended(end(60.0, asr.EndReason.TOO_LONG), first, ignored=False)
    regret.began(speech(60.0))
    assert not first.too_early
