"""Single figures out of a process's metrics: those that are there, those that are not, and what nobody knows."""

from __future__ import annotations

import math

import pytest
from prometheus_client import CollectorRegistry, Gauge, Histogram

from parley._histogram import quantile
from serving.measured import Measured

NAMES = ("parley_queue_depth", "parley_batch_size")


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def measured(registry: CollectorRegistry, service: str = "asr") -> Measured:
    return Measured(registry, NAMES, service)


def test_a_metric_that_nobody_registered_is_not_known(registry: CollectorRegistry) -> None:
    found = measured(registry)
    assert found.number("parley_queue_depth") is None
    assert found.distribution("parley_batch_size") is None


def test_a_metric_that_has_measured_nothing_is_not_known(registry: CollectorRegistry) -> None:
    Gauge("parley_queue_depth", "", ["service"], registry=registry)
    Histogram("parley_batch_size", "", ["service"], registry=registry).labels("asr")
    found = measured(registry)
    assert found.number("parley_queue_depth") is None
    assert found.distribution("parley_batch_size") is None


@pytest.mark.parametrize(
    ("value", "known"), [(0.0, 0), (3.0, 3), (-1.0, 0), (math.nan, None), (math.inf, None), (2.6, 3)]
)
def test_a_gauge_counts_whole_things(registry: CollectorRegistry, value: float, known: int | None) -> None:
    Gauge("parley_queue_depth", "", registry=registry).set(value)
    assert measured(registry).number("parley_queue_depth") == known


def test_only_what_is_of_the_service_counts(registry: CollectorRegistry) -> None:
    depth = Gauge("parley_queue_depth", "", ["service"], registry=registry)
    size = Histogram("parley_batch_size", "", ["service"], buckets=(1, 2, 4, 8), registry=registry)
    for service, value in (("asr", 1), ("llm", 8), ("tts", 3)):
        depth.labels(service).set(value)
        size.labels(service).observe(value)
    found = measured(registry, "llm")
    assert found.number("parley_queue_depth") == 8
    batches = found.distribution("parley_batch_size")
    assert batches is not None
    assert (batches.count, batches.mean) == (1, 8)


def test_what_one_service_measures_apart_is_added_up(registry: CollectorRegistry) -> None:
    size = Histogram("parley_batch_size", "", ["service", "engine"], buckets=(1, 2, 4, 8), registry=registry)
    for engine, value in (("small", 1), ("small", 1), ("large", 4), ("large", 6)):
        size.labels("asr", engine).observe(value)
    batches = measured(registry).distribution("parley_batch_size", scale=10)
    assert batches is not None
    assert (batches.count, batches.mean, batches.p50) == (4, 30, 10)
    assert 40 < batches.p95 <= 80


@pytest.mark.parametrize(
    ("buckets", "share", "expected"),
    [
        ({}, 0.5, 0.0),
        ({1.0: 0.0, math.inf: 0.0}, 0.5, 0.0),
        ({1.0: 10.0, math.inf: 10.0}, 0.5, 0.5),
        ({1.0: 10.0, 2.0: 20.0, math.inf: 20.0}, 0.75, 1.5),
        ({1.0: 0.0, 2.0: 4.0, math.inf: 4.0}, 1.0, 2.0),
        ({1.0: 1.0, math.inf: 100.0}, 0.95, 1.0),
        ({math.inf: 5.0}, 0.5, 0.0),
    ],
)
def test_a_quantile_lies_evenly_within_its_bucket(buckets: dict[float, float], share: float, expected: float) -> None:
    assert quantile(buckets, share) == pytest.approx(expected)
