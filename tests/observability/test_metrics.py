"""Parley's numbers in a real Prometheus, by the rules of deploy/observability."""

from __future__ import annotations

import re
import subprocess
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.observability.parts import CONFIGURATIONS, program
from tests.observability.prometheus import exemplars, names, query, rules, value
from tests.observability.store import search, trace
from tests.programs import eventually

if TYPE_CHECKING:
    from tests.observability.conftest import Held

pytestmark = [pytest.mark.timeout(600)]
in_the_stack = pytest.mark.asyncio(loop_scope="session")

OF_TURNS: Final = (
    "parley_turn_mic_to_speaker_seconds",
    "parley_endpointing_seconds",
    "parley_endpointing_beyond_need_seconds",
    "parley_asr_final_seconds",
    "parley_asr_server_final_seconds",
    "parley_llm_ttft_seconds",
    "parley_llm_server_ttft_seconds",
    "parley_tts_ttfa_seconds",
    "parley_tts_server_ttfa_seconds",
    "parley_cancel_to_idle_seconds",
)
"""Histograms whose exemplars lead to the turns in which they were observed."""
_METRIC: Final = re.compile(r"\b(?:parley|otelcol|traces)[\w:]+")
_ROOTS: Final = 'traces_span_metrics_calls_total{span_name="parley.turn"}'
# The Collector has no such series until there is something to count.
_OF_FAILURES: Final = {"otelcol_exporter_send_failed_spans_total", "otelcol_exporter_enqueue_failed_spans_total"}


def test_promtool_finds_nothing_wrong_with_configuration_and_rules() -> None:
    folder = CONFIGURATIONS / "prometheus"
    _promtool("check", "config", str(folder / "prometheus.yml"))
    _promtool("check", "rules", "--lint-fatal", str(folder / "rules.yml"))


def test_every_alert_comes_when_it_should_and_only_then() -> None:
    _promtool("test", "rules", str(Path(__file__).parent / "rules_test.yml"))


@in_the_stack
async def test_every_alert_says_what_to_do(held: Held) -> None:
    alerts = [rule for rule in await rules(held.stack) if rule["type"] == "alerting"]
    assert alerts
    assert [rule["name"] for rule in alerts if not rule["annotations"].get("runbook")] == []


@in_the_stack
async def test_every_metric_that_a_rule_names_is_there(held: Held) -> None:
    named = {name for rule in await rules(held.stack) for name in _METRIC.findall(rule["query"])}
    assert len(named) > 15
    there = await eventually(lambda: _names_with(held, "parley:spans_lost:rate5m"), "the first recorded values")
    assert named - there - _OF_FAILURES == set()


@in_the_stack
async def test_rules_that_watch_turns_have_values_and_no_rule_fails(held: Held) -> None:
    for name in ("turn_mic_to_speaker_seconds:p95_5m", "turns_failed:ratio5m", "sessions:saturation"):
        await eventually(partial(value, held.stack, f"parley:{name}"), name)
    assert [rule["name"] for rule in await rules(held.stack) if rule["health"] != "ok"] == []


@in_the_stack
async def test_span_metrics_count_every_turn_also_those_whose_trace_was_dropped(held: Held) -> None:
    ended = [report.outcome.name.lower() for report in held.evening.reports] + ["failed"] * held.evening.lost
    await eventually(partial(_counted, held, len(ended)), "a scrape of all roots")
    calls = await query(held.stack, f"sum by (parley_outcome) ({_ROOTS})")
    counted = {dict(labels)["parley_outcome"]: count for labels, count in calls.items()}
    assert {outcome: counted.get(outcome) for outcome in set(ended)} == {each: ended.count(each) for each in set(ended)}


@in_the_stack
async def test_exemplars_lead_to_traces_and_those_of_dropped_ones_are_known(held: Held) -> None:
    ids = {report.trace_id for report in held.evening.reports}
    stored = await search(held.stack.jaeger, "gateway", "parley.turn")
    for histogram in OF_TURNS:
        found = await exemplars(held.stack, f"{histogram}_bucket")
        assert found, histogram
        assert found - ids == set(), histogram
        opened = {each for each in found if await trace(held.stack.jaeger, each) is not None}
        # The others were dropped by the Collector, and counted there.
        assert opened == found & stored, histogram
    assert await exemplars(held.stack, "parley_turn_mic_to_speaker_seconds_bucket") & stored


async def _counted(held: Held, turns: int) -> bool | None:
    return (await value(held.stack, f"sum({_ROOTS})") or 0) >= turns or None


async def _names_with(held: Held, name: str) -> set[str] | None:
    found = await names(held.stack)
    return found if name in found else None


def _promtool(*arguments: str) -> None:
    checked = subprocess.run([program("promtool"), *arguments], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
