"""Grafana's dashboards are what the program makes, ask for metrics that exist, and lead to traces and logs."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.dashboards import FOLDER, boards, metrics_of, panels, promql, traceql
from tests.metrics_table import documented

if TYPE_CHECKING:
    from pathlib import Path

SUFFIXES = {"counter": {""}, "gauge": {""}, "histogram": {"_bucket", "_sum", "_count"}}


def test_the_dashboards_are_what_the_program_makes(root: Path) -> None:
    made = subprocess.run(
        [sys.executable, "-m", "deploy.observability.grafana.make", "--check"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stdout + made.stderr


def test_every_dashboard_can_be_found_and_every_panel_says_how_to_read_it() -> None:
    assert {board["title"] for board in boards().values()} == {"Turn latency", "Capacity", "Conversation quality"}
    assert len({board["uid"] for board in boards().values()}) == 3
    for board in boards().values():
        ids = [panel["id"] for panel in board["panels"]]
        assert len(set(ids)) == len(ids)
        for panel in panels(board):
            assert panel["title"]
            assert panel["description"].endswith(".")
            assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


def test_every_metric_of_parley_in_a_dashboard_is_documented() -> None:
    known = {
        metric.name + suffix if metric.kind == "counter" else metric.family + suffix
        for metric in documented().values()
        for suffix in SUFFIXES[metric.kind]
    }
    named = {name for expression in promql().values() for name in metrics_of(expression)}
    assert {name for name in named if name.startswith("parley_")} - known == set()
    assert len(named) > 30


def test_every_metric_of_parley_that_is_documented_is_seen_somewhere(root: Path) -> None:
    rules = (root / "deploy" / "observability" / "prometheus" / "rules.yml").read_text(encoding="utf-8")
    asked = " ".join([*promql().values(), rules])
    unseen = {metric.family for metric in documented().values() if metric.family not in asked}
    assert unseen == {"parley_tts_cache_bytes", "parley_unknown_requests"}


@pytest.mark.parametrize("name", ["turn-latency.json", "conversation-quality.json"])
def test_panels_of_turns_show_exemplars_and_turns_to_look_at(name: str) -> None:
    shown = panels(boards()[name])
    assert any(target.get("exemplar") for panel in shown for target in panel["targets"])
    assert [panel["title"] for panel in shown if panel["type"] == "table"]
    assert [place for place in traceql() if place.startswith(name)]


def test_traces_metrics_and_logs_lead_to_one_another() -> None:
    sources = {source["uid"]: source for source in _provisioned("datasources")["datasources"]}
    prometheus, tempo, loki = (sources[f"parley-{name}"]["jsonData"] for name in ("prometheus", "tempo", "loki"))
    [exemplar] = prometheus["exemplarTraceIdDestinations"]
    assert exemplar == {"name": "trace_id", "datasourceUid": "parley-tempo"}
    assert tempo["tracesToLogsV2"]["datasourceUid"] == "parley-loki"
    assert tempo["tracesToMetrics"]["datasourceUid"] == tempo["serviceMap"]["datasourceUid"] == "parley-prometheus"
    assert loki["derivedFields"][0]["datasourceUid"] == "parley-tempo"


def test_what_grafana_is_to_read_itself_is_not_replaced_when_it_starts() -> None:
    for path in (FOLDER / "provisioning").rglob("*.yml"):
        text = "".join(line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))
        assert set(re.findall(r"(?<!\$)\$\{?\w+\}?", text)) <= {"${STACK_DASHBOARDS}"}, path


def test_grafana_is_told_where_the_dashboards_are() -> None:
    [provider] = _provisioned("dashboards")["providers"]
    assert provider["options"]["path"] == "${STACK_DASHBOARDS}"
    assert provider["allowUiUpdates"] is False


def _provisioned(what: str) -> Any:  # noqa: ANN401 - YAML, as it comes
    return yaml.safe_load((FOLDER / "provisioning" / what / "parley.yml").read_text(encoding="utf-8"))
