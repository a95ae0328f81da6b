"""Context switches of a process are counted, both kinds, by the system's own count."""

from __future__ import annotations

import threading

from prometheus_client import CollectorRegistry

from serving.switches import SwitchesCollector


def switches(registry: CollectorRegistry, kind: str) -> float:
    value = registry.get_sample_value("process_context_switches_total", {"kind": kind})
    assert value is not None
    return value


def test_whoever_waits_gives_its_core_away_and_is_counted() -> None:
    registry = CollectorRegistry()
    registry.register(SwitchesCollector())
    before = switches(registry, "voluntary")
    for _ in range(50):
        # To wait for something that does not come is to be put to sleep.
        threading.Event().wait(0.001)
    assert switches(registry, "voluntary") >= before + 50
    assert switches(registry, "involuntary") >= 0
