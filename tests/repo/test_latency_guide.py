"""docs/latency.md says of spans, settings and queries only what is so."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from parley._bottlenecks import bottleneck
from parley._variables import KNOWN
from parley.asr import Endpointing
from parley.conversation import SessionConfig, TurnTaking
from parley.waterfall import ROOT, UNEXPLAINED
from parley_cli.trace.selection import Last, Number
from tests.dashboards import traceql

ROOT_FOLDER: Final = Path(__file__).parents[2]
PACKAGES: Final = ("edge_gateway", "asr_server", "llm_server", "tts_server", "serving")
GRAMMAR: Final = ROOT_FOLDER / "node_modules" / "@grafana" / "lezer-traceql"
SETTING: Final = re.compile(r"PARLEY_[A-Z_]+")
OPTION: Final = re.compile(r"\b(?:endpointing|turn_taking)\.[a-z_]+")
ATTRIBUTE: Final = re.compile(r"\b(?:span|resource)\.([a-z_.]+)")
SPANS: Final = frozenset(
    {
        *("client.capture", "client.uplink", "gateway.decode", "asr.endpoint", "asr.transcribe", "gateway.decide"),
        *("llm.chat", "tts.synthesize", "gateway.encode", "client.downlink", "client.jitter_buffer", "client.playout"),
    }
)


@pytest.fixture(scope="module")
def guide() -> str:
    return (ROOT_FOLDER / "docs" / "latency.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def recorded() -> str:
    """The source of all that records spans."""
    return "\n".join(
        path.read_text(encoding="utf-8") for package in PACKAGES for path in (ROOT_FOLDER / package).rglob("*.py")
    )


def rows(guide: str, head: str) -> dict[str, str]:
    """The rows of the table with this head, by their first cell."""
    table = guide.partition(f"| {head} |")[2].partition("\n\n")[0]
    return {cells[1].strip(" `"): "|".join(cells[2:]) for line in table.splitlines()[2:] for cells in [line.split("|")]}


def queries(guide: str) -> list[str]:
    """The queries of a document."""
    return [query.strip() for query in re.findall(r"^```traceql\n(.*?)^```", guide, re.MULTILINE | re.DOTALL)]


def faults(asked: list[str]) -> list[list[int]]:
    """Where Grafana's grammar of TraceQL finds an error in each query."""
    node = shutil.which("node")
    assert node is not None
    script = ROOT_FOLDER / "tests" / "repo" / "traceql.mjs"
    done = subprocess.run([node, str(script)], input=json.dumps(asked), capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert isinstance(found, list)
    return found


def test_every_span_of_a_waterfall_is_explained_once(guide: str, recorded: str) -> None:
    assert rows(guide, "span").keys() == SPANS
    assert {name for name in SPANS if f'"{name}"' not in recorded} == set()


def test_every_bar_that_can_be_waited_for_has_its_settings(guide: str) -> None:
    assert rows(guide, "bar").keys() == SPANS | {"execute_tool", UNEXPLAINED}


def test_every_setting_and_option_that_moves_a_bar_exists(guide: str) -> None:
    options = {
        *(f"endpointing.{each.name}" for each in dataclasses.fields(Endpointing)),
        *(f"turn_taking.{each.name}" for each in dataclasses.fields(TurnTaking)),
    }
    assert {"endpointing", "turn_taking"} <= {each.name for each in dataclasses.fields(SessionConfig)}
    assert set(SETTING.findall(guide)) - KNOWN == set()
    assert set(OPTION.findall(" ".join(rows(guide, "bar").values()))) - options == set()


def test_what_the_command_line_advises_stands_in_the_table(guide: str) -> None:
    for name, row in rows(guide, "bar").items():
        advised = {*SETTING.findall(bottleneck(name)), *OPTION.findall(bottleneck(name))}
        assert advised - {*SETTING.findall(row), *OPTION.findall(row)} == set(), name


def test_there_are_ten_questions_each_with_its_own_query(guide: str) -> None:
    asked = queries(guide)
    assert len(asked) == len(set(asked)) == 10
    assert len(re.findall(r"\?\n\n```traceql\n", guide)) == 10


def test_every_attribute_that_a_query_names_is_recorded(guide: str, recorded: str) -> None:
    assert traceql()
    asked = [*queries(guide), *traceql().values()]
    named = {attribute for query in asked for attribute in ATTRIBUTE.findall(query)}
    assert len(named) > 10
    assert {attribute for attribute in named if f'"{attribute}"' not in recorded} == set()


def test_every_span_that_a_query_names_is_recorded(guide: str) -> None:
    named = {name for query in queries(guide) for name in re.findall(r'name = "([^"]+)"', query)}
    assert named - SPANS - {ROOT} == set()
    (pattern,) = {each for query in queries(guide) for each in re.findall(r'name =~ "([^"]+)"', query)}
    assert len([name for name in SPANS if re.fullmatch(pattern, name)]) == 3


@pytest.mark.skipif(not GRAMMAR.exists(), reason="@grafana/lezer-traceql is not installed: npm ci")
@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_every_query_of_guide_command_line_and_dashboards_is_traceql(guide: str) -> None:
    slowest = '{ name = "parley.turn" && duration >= 1500000000ns }'
    own = [Last().query, f"{Number(7).query} with (most_recent=true)", slowest]
    asked = [*queries(guide), *own, *traceql().values()]
    assert dict(zip(asked, faults(asked), strict=True)) == {query: [] for query in asked}


@pytest.mark.skipif(not GRAMMAR.exists(), reason="@grafana/lezer-traceql is not installed: npm ci")
@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
@pytest.mark.parametrize("query", ['{ name = "a"', "{ duration >> 1s }", '{ span.a == "b" }', "select * from spans"])
def test_what_is_no_traceql_is_seen(query: str) -> None:
    assert faults([query]) != [[]]
