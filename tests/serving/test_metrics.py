"""What every process measures of its work: how late its loop is, what waits for its engine, and the trace of it."""

from __future__ import annotations

import threading

import pytest
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.exposition import generate_latest

from serving.metrics import Workload, cancel_to_idle, exemplar, exemplar_of, loop_lag
from serving.telemetry import SpanIdentity, Telemetry, new_provider
from tests.virtual_time import Blocked, on_virtual_time, pass_by

ID = 0x4BF92F3577B34DA6A3CE929D0E0E4736


@pytest.fixture
def telemetry() -> Telemetry:
    return Telemetry(new_provider("test"), CollectorRegistry())


def sample(telemetry: Telemetry, name: str, **labels: str) -> float:
    return telemetry.registry.get_sample_value(name, {"service": "llm", **labels}) or 0.0


@pytest.mark.parametrize("blocked_seconds", [0.0, 0.004, 0.3])
def test_a_loop_that_is_held_up_is_seen_to_be_late_by_as_much(telemetry: Telemetry, blocked_seconds: float) -> None:
    @on_virtual_time
    async def scene() -> None:
        clock = Blocked()
        with loop_lag(telemetry, "llm", clock):
            await pass_by(0.6)
            clock.ahead_seconds += blocked_seconds
            await pass_by(0.6)

    scene()
    assert sample(telemetry, "parley_loop_lag_seconds_count") == 4
    assert sample(telemetry, "parley_loop_lag_seconds_sum") == pytest.approx(blocked_seconds, abs=1e-4)


@on_virtual_time
async def test_after_its_block_the_loop_is_not_watched_any_more() -> None:
    telemetry = Telemetry(new_provider("test"), CollectorRegistry())
    with loop_lag(telemetry, "llm"):
        pass
    await pass_by(10)
    assert sample(telemetry, "parley_loop_lag_seconds_count") == 0


def test_a_loop_that_comes_early_is_not_late(telemetry: Telemetry) -> None:
    @on_virtual_time
    async def scene() -> None:
        clock = Blocked()
        with loop_lag(telemetry, "llm", clock):
            clock.ahead_seconds -= 0.1
            await pass_by(0.3)

    scene()
    assert sample(telemetry, "parley_loop_lag_seconds_count") == 1
    assert sample(telemetry, "parley_loop_lag_seconds_sum") == 0


def test_what_waits_is_counted_until_the_engine_takes_it(telemetry: Telemetry) -> None:
    workload = Workload(telemetry, "llm")
    with workload.place() as first, workload.place() as second:
        first.wait()
        second.wait()
        assert sample(telemetry, "parley_queue_depth") == 2
        first.begin()
        assert sample(telemetry, "parley_queue_depth") == 1
    assert sample(telemetry, "parley_queue_depth") == 0


def test_the_eldest_piece_that_waits_says_how_long_is_waited(telemetry: Telemetry) -> None:
    now = [100.0]
    workload = Workload(telemetry, "llm", lambda: now[0])
    assert workload.wait_seconds == 0.0
    with workload.place() as first, workload.place() as second:
        first.wait()
        now[0] = 103.0
        second.wait()
        now[0] = 104.0
        assert workload.wait_seconds == 4.0
        first.begin()
        assert workload.wait_seconds == 1.0
    assert workload.wait_seconds == 0.0


@pytest.mark.parametrize("steps", [("wait", "wait"), ("wait", "begin", "begin"), ("begin", "leave", "leave"), ()])
def test_however_far_work_came_nothing_of_it_is_left_when_nobody_wants_it_any_more(
    telemetry: Telemetry, steps: tuple[str, ...]
) -> None:
    workload = Workload(telemetry, "llm")
    with pytest.raises(RuntimeError, match="left"), workload.place() as place:
        for step in steps:
            getattr(place, step)()
        raise RuntimeError("left")
    assert sample(telemetry, "parley_queue_depth") == 0
    with workload.place() as place:
        place.begin()
    began = steps.count("begin") > 0
    assert sample(telemetry, "parley_batch_size_bucket", le="1.0") == 1 + began


def test_work_that_is_in_hand_together_is_a_batch_on_any_thread(telemetry: Telemetry) -> None:
    workload, all_in = Workload(telemetry, "llm"), threading.Barrier(3)

    def work() -> None:
        with workload.place() as place:
            place.begin()
            all_in.wait()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sample(telemetry, "parley_batch_size_sum") == 1 + 2 + 3


@pytest.mark.parametrize(
    ("traceparent", "found"),
    [
        (f"00-{ID:032x}-00f067aa0ba902b7-01", {"trace_id": f"{ID:032x}"}),
        (f"00-{ID:032x}-00f067aa0ba902b7-00", None),
        (f"00-{0:032x}-00f067aa0ba902b7-01", None),
        ("", None),
        ("nonsense" * 10, None),
    ],
)
def test_an_exemplar_leads_to_a_sampled_trace_or_is_not_there(traceparent: str, found: dict[str, str] | None) -> None:
    assert exemplar(traceparent) == found


def test_a_promised_trace_has_an_exemplar_as_it_was_decided() -> None:
    kept, dropped = SpanIdentity(ID, 7, sampled=True), SpanIdentity(ID, 7, sampled=False)
    assert exemplar(kept.traceparent) == {"trace_id": kept.trace_id_hex}
    assert exemplar(dropped.traceparent) is None


def test_a_span_under_way_has_an_exemplar_if_it_is_recorded(telemetry: Telemetry) -> None:
    span = telemetry.tracer.start_span("work")
    assert exemplar_of(span) == {"trace_id": f"{span.get_span_context().trace_id:032x}"}
    unseen = new_provider("test")
    unseen.sampler = ALWAYS_OFF
    assert exemplar_of(unseen.get_tracer("test").start_span("work")) is None


def test_an_exemplar_goes_out_with_its_bucket(telemetry: Telemetry) -> None:
    cancel_to_idle(telemetry, "llm").observe(0.003, exemplar(f"00-{ID:032x}-00f067aa0ba902b7-01"))
    page = generate_latest(telemetry.registry).decode()  # type: ignore[no-untyped-call]  # theirs has no types
    [line] = [line for line in page.splitlines() if "trace_id" in line]
    assert line.startswith('parley_cancel_to_idle_seconds_bucket{le="0.005",service="llm"} 1.0 # {trace_id="4bf92f')
