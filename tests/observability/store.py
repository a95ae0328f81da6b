"""Traces as a real Jaeger gives them back, by id or by search."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tests.programs import get_json

if TYPE_CHECKING:
    from collections.abc import Mapping

_MANY: Final = "1000"


@dataclass(frozen=True, slots=True)
class Span:
    """One span of a trace."""

    service: str
    name: str
    id: str
    parent: str
    """Empty: the root."""
    tags: Mapping[str, object]
    events: tuple[Mapping[str, object], ...]
    """What is known of each; its name is its `event`."""

    @property
    def failed(self) -> bool:
        return self.tags.get("otel.status_code") == "ERROR"


@dataclass(frozen=True, slots=True)
class Trace:
    """All spans of a trace that the store has."""

    id: str
    spans: tuple[Span, ...]
    text: str
    """The whole answer."""

    @property
    def root(self) -> Span:
        (root,) = (span for span in self.spans if not span.parent)
        return root

    @property
    def names(self) -> set[str]:
        return {span.name for span in self.spans}

    @property
    def orphans(self) -> list[str]:
        """Names of spans whose parent is not there."""
        ids = {span.id for span in self.spans}
        return [span.name for span in self.spans if span.parent and span.parent not in ids]


async def trace(jaeger: str, trace_id: str) -> Trace | None:
    """A trace by its id; None: there is none."""
    found = _traces(await get_json(f"{jaeger}/api/traces/{trace_id}"))
    return found[0] if found else None


async def search(jaeger: str, service: str, operation: str = "", **tags: str) -> set[str]:
    """Ids of the traces with a span of this service, of this name and with these tags."""
    parameters = {"service": service, "limit": _MANY, "lookback": "1h"}
    if operation:
        parameters["operation"] = operation
    if tags:
        parameters["tags"] = json.dumps({name.replace("__", "."): value for name, value in tags.items()})
    return {each.id for each in _traces(await get_json(f"{jaeger}/api/traces", **parameters))}


def _traces(answer: Any) -> list[Trace]:  # noqa: ANN401 - JSON, as it comes
    return [_trace(each) for each in (answer or {}).get("data") or ()]


def _trace(data: Any) -> Trace:  # noqa: ANN401 - as above
    services = {key: process["serviceName"] for key, process in data["processes"].items()}
    spans = tuple(
        Span(
            service=services[span["processID"]],
            name=span["operationName"],
            id=span["spanID"],
            parent=_parent(span),
            tags={tag["key"]: tag["value"] for tag in span["tags"]},
            events=tuple({field["key"]: field["value"] for field in log["fields"]} for log in span["logs"]),
        )
        for span in data["spans"]
    )
    return Trace(data["traceID"], spans, json.dumps(data))


def _parent(span: Any) -> str:  # noqa: ANN401 - as above
    # A link to another trace is a reference too.
    parents = [
        each["spanID"]
        for each in span["references"]
        if each["refType"] == "CHILD_OF" and each["traceID"] == span["traceID"]
    ]
    return str(parents[0]) if parents else ""
