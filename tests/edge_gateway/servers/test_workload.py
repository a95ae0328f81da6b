"""How much a server has to do, by what it told and how long ago."""

from __future__ import annotations

import pytest

from edge_gateway.capacity.path import PartLoad
from edge_gateway.servers.workload import is_slow, part_load
from parley.v1.multiplex_pb2 import ServerLoad

SAID = ServerLoad(loop_lag_ms=30, busy_permille=600, engine_wait_ms=200)
BUSY = ServerLoad(busy_permille=950)


def test_what_a_server_has_just_told_holds() -> None:
    assert part_load("asr", (99.5, SAID), None, 100.0) == PartLoad("asr", 0.6, 0.03, 0.2)


@pytest.mark.parametrize("told", [None, (90.0, BUSY)])
def test_a_server_that_never_tells_or_has_had_no_calls_to_tell_of_has_nothing_to_do(
    told: tuple[float, ServerLoad] | None,
) -> None:
    assert part_load("llm", told, None, 100.0) == PartLoad("llm")


def test_a_server_that_tells_nothing_although_it_has_calls_is_as_late() -> None:
    assert part_load("asr", (96.0, SAID), 80.0, 100.0).lag_seconds == pytest.approx(3.0)


def test_a_call_that_has_just_begun_makes_no_old_silence_late() -> None:
    assert part_load("tts", (60.0, BUSY), 99.0, 100.0) == PartLoad("tts")


@pytest.mark.parametrize(
    ("told", "slow"),
    [
        (None, False),
        ((99.0, SAID), False),
        ((99.0, BUSY), True),
        ((99.0, ServerLoad(engine_wait_ms=4_000)), True),
        ((99.0, ServerLoad(loop_lag_ms=400)), True),
        ((99.0, ServerLoad(engine_wait_ms=16_000, busy_permille=990)), False),
        ((96.0, BUSY), False),
    ],
)
def test_slow_is_who_lives_and_has_too_much_to_do(told: tuple[float, ServerLoad] | None, *, slow: bool) -> None:
    assert is_slow(told, 100.0) is slow
