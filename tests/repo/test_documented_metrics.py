"""docs/metrics.md lists the metrics that the code registers, and every value that a label may have."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import pytest

from parley.asr import DiscardReason
from parley.conversation import Outcome
from tests.metrics_table import documented

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.repo.conftest import Source


def registered(product: list[Source]) -> Iterator[tuple[str, frozenset[str]]]:
    """Name and labels of each metric that is made with a name which stands in the code."""
    for source in product:
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Call):
                texts = [each.value for each in node.args if isinstance(each, ast.Constant)]
                names = [text for text in texts if isinstance(text, str) and text.startswith("parley_")]
                lists = [each for each in node.args if isinstance(each, ast.List)]
                labels = {item.value for each in lists for item in each.elts if isinstance(item, ast.Constant)}
                # `counter` takes its one label as a keyword.
                labels |= {each.arg for each in node.keywords} - {"registry", "buckets", None}
                yield from ((name, frozenset(map(str, labels))) for name in names)


def test_every_metric_of_the_code_is_documented_with_its_labels_and_no_other(product: list[Source]) -> None:
    table = documented()
    found = dict(registered(product))
    assert len(found) > 25
    assert set(found) == set(table)
    # What all processes have is made in one place, which gives it the label `service`.
    assert {name: labels or (frozenset({"service"}) & set(table[name].labels)) for name, labels in found.items()} == {
        name: frozenset(metric.labels) for name, metric in table.items()
    }


@pytest.mark.parametrize(
    ("metric", "label", "values"), [("parley_turns", "outcome", Outcome), ("parley_discards", "reason", DiscardReason)]
)
def test_a_label_that_is_an_enum_has_all_its_values(
    metric: str, label: str, values: type[Outcome | DiscardReason]
) -> None:
    assert documented()[metric].labels[label] == {each.name.lower() for each in values if each.value}


def test_no_label_takes_a_name_that_a_stranger_may_choose() -> None:
    chosen = {"session", "session_id", "model", "voice", "language", "tool", "function", "user", "origin", "turn"}
    assert {name: metric.labels for name, metric in documented().items() if chosen & set(metric.labels)} == {}
    assert all(all(values) for metric in documented().values() for values in metric.labels.values())
