"""Silence is told from sound carefully: what might be a voice never waits."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_gateway.input.silence_gate import SilenceGate

PACKETS_PER_SECOND = 50


def after(seconds: float, level_db: float) -> SilenceGate:
    gate = SilenceGate()
    for _ in range(round(seconds * PACKETS_PER_SECOND)):
        gate.is_silent(level_db)
    return gate


@pytest.mark.parametrize("level_db", [-math.inf, -90.0, -71.0])
def test_what_nobody_can_hear_is_silent_from_the_first_packet_on(level_db: float) -> None:
    assert SilenceGate().is_silent(level_db)


@pytest.mark.parametrize("level_db", [-60.0, -45.0, -30.0])
def test_of_a_room_that_is_not_known_yet_everything_is_sound(level_db: float) -> None:
    assert not SilenceGate().is_silent(level_db)


def test_the_noise_of_a_room_is_learnt_within_seconds() -> None:
    gate = after(10, -60.0)
    assert gate.is_silent(-60.0)
    assert not gate.is_silent(-53.0), "a soft voice above it"


def test_a_room_that_falls_quiet_is_known_at_once() -> None:
    gate = after(10, -55.0)
    gate.is_silent(-65.0)
    assert not gate.is_silent(-58.0)


def test_a_voice_that_goes_on_for_a_minute_does_not_become_silence() -> None:
    assert not after(60, -40.0).is_silent(-44.0)


@given(st.lists(st.floats(-120, 0), max_size=200), st.floats(-45, 0))
def test_a_voice_of_usual_loudness_is_sound_whatever_was_before(levels: list[float], voice_db: float) -> None:
    gate = SilenceGate()
    for level in levels:
        gate.is_silent(level)
    assert not gate.is_silent(voice_db)
