"""The page's link to a trace: Grafana's Explore by its documented schema, or whatever address the operator gives."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from edge_gateway.config import GatewayConfig
from edge_gateway.transports.trace_link import TEMPO_UID, trace_link
from serving.config import read

SOURCES = Path(__file__).parents[3] / "deploy" / "observability" / "grafana" / "provisioning" / "datasources"
ID = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    ("grafana", "path"),
    [
        ("http://localhost:3000", "/explore"),
        ("https://grafana.example/", "/explore"),
        ("https://example.org/tools/grafana/", "/tools/grafana/explore"),
    ],
)
def test_grafana_opens_its_explore_with_the_trace(grafana: str, path: str) -> None:
    opened = urlsplit(trace_link("", grafana).replace("{trace_id}", ID))
    assert f"{opened.scheme}://{opened.netloc}" == "/".join(grafana.split("/")[:3])
    assert opened.path == path
    asked = parse_qs(opened.query, strict_parsing=True)
    assert asked.keys() == {"schemaVersion", "panes", "orgId"}
    assert (asked["schemaVersion"], asked["orgId"]) == (["1"], ["1"])
    (pane,) = json.loads(asked["panes"][0]).values()
    assert pane["datasource"] == TEMPO_UID
    assert pane["range"] == {"from": "now-24h", "to": "now"}
    (query,) = pane["queries"]
    assert query["datasource"] == {"type": "tempo", "uid": TEMPO_UID}
    assert (query["queryType"], query["query"], query["refId"]) == ("traceql", ID, "A")


def test_the_data_source_is_that_of_the_stack() -> None:
    provisioned = yaml.safe_load((SOURCES / "parley.yml").read_text(encoding="utf-8"))["datasources"]
    assert [source["uid"] for source in provisioned if source["type"] == "tempo"] == [TEMPO_UID]


def test_nothing_in_the_address_has_to_be_escaped_once_more() -> None:
    opened = trace_link("", "http://localhost:3000").replace("{trace_id}", ID)
    assert set(opened) & set(' "<>\\^`|{}[],') == set()
    assert trace_link("", "http://localhost:3000").count("{trace_id}") == 1


@pytest.mark.parametrize(
    "template",
    [
        "http://localhost:16686/trace/{trace_id}",
        "https://phoenix.example/traces?id={trace_id}&again={trace_id}",
        "https://g.example/explore?trace={trace_id}",
    ],
)
def test_an_address_of_another_kind_is_kept_and_comes_before_grafana(template: str) -> None:
    assert trace_link(template, "") == trace_link(template, "http://localhost:3000") == template


def test_nothing_is_linked_where_nothing_is_set() -> None:
    config = read(GatewayConfig, {})
    assert trace_link(config.trace_url, config.grafana_url) == ""


@pytest.mark.parametrize(
    ("template", "grafana", "said"),
    [
        ("http://localhost:16686/trace/", "", "PARLEY_TRACE_URL=http://localhost:16686/trace/: not an http or https"),
        ("localhost:16686/{trace_id}", "", "PARLEY_TRACE_URL=localhost:16686/{trace_id}: not"),
        ("javascript:alert('{trace_id}')", "", "PARLEY_TRACE_URL=javascript"),
        ("http://[::1/{trace_id}", "", "PARLEY_TRACE_URL=http://["),
        ("", "localhost:3000", "PARLEY_GRAFANA_URL=localhost:3000: not the address of a Grafana, such as http"),
        ("", "http://", "PARLEY_GRAFANA_URL=http://: not"),
        ("", "http://here:3000/explore?left=1", "PARLEY_GRAFANA_URL=http://here:3000/explore?left=1: not"),
    ],
)
def test_what_leads_nowhere_is_refused_with_its_variable(template: str, grafana: str, said: str) -> None:
    with pytest.raises(ValueError, match="PARLEY_") as raised:
        trace_link(template, grafana)
    assert str(raised.value).startswith(said)
