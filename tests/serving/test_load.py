"""How much a process has to do: measured by looks that the test owns, and told to who has calls there."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING

import pytest

from serving.load import PERIOD_SECONDS, Load, LoadMeter, measured_load, thread_demand
from tests.virtual_time import on_virtual_time, pass_by

if TYPE_CHECKING:
    from pathlib import Path


def looked(meter: LoadMeter, seconds: float, busy: float, *, late: float = 0.0, start: float = 1_000.0) -> float:
    """Look for so long at a thread that demands this share of time; gives the time after that."""
    demanded = start
    for _ in range(round(seconds / PERIOD_SECONDS)):
        start += PERIOD_SECONDS
        demanded += busy * PERIOD_SECONDS
        meter.look(start, late, demanded)
    return start


def test_before_there_are_two_looks_nothing_is_known() -> None:
    meter = LoadMeter()
    assert meter.load == Load()
    meter.look(1.0, 0.5, 100.0)
    assert meter.load == Load()


def test_busy_is_the_share_of_the_last_second_and_lag_its_mean() -> None:
    meter = LoadMeter(lambda: 1.5)
    now = looked(meter, 10.0, 1.0, late=0.4)
    looked(meter, 2.0, 0.25, late=0.02, start=now)
    assert meter.load.busy == pytest.approx(0.25, abs=0.01)
    assert meter.load.loop_lag_seconds == pytest.approx(0.02)
    assert meter.load.engine_wait_seconds == 1.5


def test_a_loop_that_stood_still_for_long_was_busy_for_as_long_and_no_longer() -> None:
    meter = LoadMeter()
    now = looked(meter, 2.0, 0.1)
    meter.look(now + 30.0, 29.75, now + 30.0)
    assert meter.load.busy <= 1.0
    assert meter.load.loop_lag_seconds > 0.05


def test_computing_is_demand() -> None:
    with thread_demand() as demand:
        before, until = demand(), time.thread_time() + 0.05
        while time.thread_time() < until:
            pass
        assert demand() - before >= 0.045


def test_waiting_for_a_processor_is_demand_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "schedstat").write_text("3000000000 500000000 7\n")
    monkeypatch.setattr("serving.load._SCHEDSTAT", str(tmp_path / "schedstat"))
    with thread_demand() as demand:
        assert demand() == pytest.approx(3.5)


def test_another_thread_is_another_ones_demand() -> None:
    def compute() -> None:
        until = time.thread_time() + 0.3
        while time.thread_time() < until:
            pass

    with thread_demand() as demand:
        before, own = demand(), time.thread_time()
        thread = threading.Thread(target=compute)
        thread.start()
        thread.join()
        # What this one waited for a processor counts; what the other one computed does not.
        assert time.thread_time() - own < 0.25
        assert demand() >= before


def test_where_the_system_tells_of_no_waiting_computing_counts_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("serving.load._SCHEDSTAT", str(tmp_path / "none"))
    with thread_demand() as demand:
        assert demand is time.thread_time
    (tmp_path / "none").write_text("not what it was\n")
    with thread_demand() as demand:
        assert demand() == pytest.approx(time.thread_time(), abs=1.0)


@on_virtual_time
async def test_it_is_told_once_a_second() -> None:
    told: list[tuple[float, Load]] = []
    loop = asyncio.get_running_loop()
    with measured_load(lambda load: told.append((loop.time(), load)), lambda: 2.0):
        await pass_by(3.1)
    at = [round(each - told[0][0], 3) for each, _ in told]
    assert at == [0.0, 1.0, 2.0]
    assert [load.engine_wait_seconds for _, load in told] == [2.0, 2.0, 2.0]
