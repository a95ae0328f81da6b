"""What dashboards, rules and alerts ask for is there: in a real Prometheus, after turns of every kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from tests.dashboards import metrics_of, promql
from tests.end_to_end.test_metrics import SERVICES
from tests.metrics_table import documented
from tests.observability.prometheus import labels, names, parses, query, rules
from tests.programs import eventually

if TYPE_CHECKING:
    from tests.observability.conftest import Held

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(600)]

# There are no such series until there is something to count.
OF_FAULTS: Final = {
    "otelcol_exporter_send_failed_spans_total",
    "otelcol_exporter_enqueue_failed_spans_total",
}


async def test_every_metric_that_a_dashboard_names_is_there(held: Held) -> None:
    named = {name for expression in promql().values() for name in metrics_of(expression)}
    assert len(named) > 30
    there = await eventually(lambda: _names_with(held, "parley:turns_ended_too_early:ratio1h"), "recorded values")
    assert named - there - OF_FAULTS == set()


async def test_every_expression_of_a_dashboard_can_be_read(held: Held) -> None:
    expressions = promql()
    assert len(expressions) > 40
    assert {place: each for place, each in expressions.items() if not await parses(held.stack, each)} == {}


async def test_what_prometheus_cannot_read_is_noticed(held: Held) -> None:
    for wrong in ("sum(", "rate(parley_turns_total)", "histogram_quantile(0.5)"):
        assert not await parses(held.stack, wrong)


async def test_panels_show_something_after_an_evening_of_turns(held: Held) -> None:
    empty = set()
    for place, expression in promql().items():
        if not metrics_of(expression) & OF_FAULTS and not await query(held.stack, expression.replace("[1m]", "[1h]")):
            empty.add(place.partition(": ")[2][:-2])
    # This client is no page, and tells neither of a quieter loudspeaker nor of a silent one.
    assert empty <= {"From a voice to a quieter, and a silent reply", "Discarded"}


async def test_every_metric_of_a_real_scrape_is_documented_and_so_is_every_label(held: Held) -> None:
    table = documented()
    there = {name for name in await names(held.stack) if name.startswith("parley_")}
    known = {
        name
        for metric in table.values()
        for name in (metric.name, *(f"{metric.family}_{part}" for part in ("bucket", "sum", "count", "created")))
    }
    assert there - known == set()
    for metric in table.values():
        for label in metric.labels:
            found = await labels(held.stack, label, metric.name, f"{metric.family}_count")
            assert all(metric.allows(label, value) for value in found), (metric.name, label, found)


async def test_prometheus_finds_all_processes_and_no_rule_fails(held: Held) -> None:
    up = await query(held.stack, 'up{job="parley"}')
    assert {dict(each)["server"]: value for each, value in up.items()} == dict.fromkeys(SERVICES, 1.0)
    assert [rule["name"] for rule in await rules(held.stack) if rule["health"] != "ok"] == []


async def _names_with(held: Held, name: str) -> set[str] | None:
    found = await names(held.stack)
    return found if name in found else None
