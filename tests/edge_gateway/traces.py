"""Traces of turns as services recorded them, beside the table of ARCHITECTURE.md that says what is in each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from opentelemetry.trace import StatusCode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.util.types import AttributeValue

ARCHITECTURE: Final = Path(__file__).parents[2] / "ARCHITECTURE.md"
FAILED: Final = "✗"
_NAME: Final = re.compile(rf"(\*\w+\*)|`([^`]+)`( {FAILED})?")


@dataclass(frozen=True, slots=True)
class Row:
    """What the table says of one kind of turn."""

    kind: str
    outcome: str
    head_start: str
    spans: frozenset[str]
    """Names below the root, those that failed among them."""
    failed: frozenset[str]


@dataclass(frozen=True, slots=True)
class Trace:
    """All spans of one trace."""

    spans: tuple[ReadableSpan, ...]

    @property
    def root(self) -> ReadableSpan:
        (root,) = (span for span in self.spans if span.parent is None)
        return root

    @property
    def below(self) -> tuple[ReadableSpan, ...]:
        return tuple(span for span in self.spans if span.parent is not None)

    @property
    def orphans(self) -> list[str]:
        """Names of spans whose parent is not there."""
        ids = {span.context.span_id for span in self.spans if span.context is not None}
        return [span.name for span in self.spans if span.parent is not None and span.parent.span_id not in ids]

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.spans if span.name == name]

    def one(self, name: str) -> ReadableSpan:
        (span,) = self.named(name)
        return span

    @property
    def row(self) -> Row:
        """The trace as the table would have it."""
        has = attributes(self.root)
        return Row(
            kind=str(has["parley.kind"]),
            outcome=str(has["parley.outcome"]),
            head_start=str(has["parley.head_start"]),
            spans=frozenset(span.name for span in self.below),
            failed=frozenset(span.name for span in self.below if failed(span)),
        )


def attributes(span: ReadableSpan) -> Mapping[str, AttributeValue]:
    return span.attributes or {}


def failed(span: ReadableSpan) -> bool:
    return span.status.status_code is StatusCode.ERROR


def traces(spans: Iterable[ReadableSpan]) -> list[Trace]:
    """Spans by their traces, in the order of their roots."""
    found: dict[int, list[ReadableSpan]] = {}
    for span in spans:
        assert span.context is not None
        found.setdefault(span.context.trace_id, []).append(span)
    whole = [Trace(tuple(each)) for each in found.values()]
    return sorted(whole, key=lambda each: each.root.start_time or 0)


def table() -> dict[str, Row]:
    """The rows of the table, by what happens in the turn."""
    text = ARCHITECTURE.read_text(encoding="utf-8").partition("## The waterfall")[2].partition("\n## ")[0]
    cells = [[each.strip() for each in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    groups = {row[0]: frozenset(name for _, name, _ in _NAME.findall(row[1])) for row in cells if row[0][:1] == "*"}
    return {row[0]: _row(row, groups) for row in cells if len(row) == 5 and row[0] not in {"turn", "---"}}


def _row(cells: list[str], groups: Mapping[str, frozenset[str]]) -> Row:
    spans: set[str] = set()
    broken: set[str] = set()
    for group, name, mark in _NAME.findall(cells[4]):
        spans |= groups[group] if group else {name}
        broken |= {name} if mark else set()
    return Row(cells[1], cells[2], cells[3], frozenset(spans), frozenset(broken))
