"""The dashboards of deploy/observability as they are checked in, and everything that they ask."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).resolve().parents[1] / "deploy" / "observability" / "grafana"
_VARIABLES: Final = {"$__rate_interval": "1m", "$__range": "1h"}
"""What Grafana puts in for its own variables."""
_METRIC: Final = re.compile(
    r"\b((?:parley|otelcol|traces|process)_\w+|parley:[\w:]+|up)(?=\s*[{[)\s]|$)",
)


def boards() -> dict[str, Any]:
    """Each dashboard, by its file's name."""
    return {path.name: json.loads(path.read_text(encoding="utf-8")) for path in (FOLDER / "dashboards").glob("*.json")}


def panels(board: Any) -> list[Any]:  # noqa: ANN401 - JSON, as it comes
    """The panels of a dashboard that show something."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def promql() -> dict[str, str]:
    """Every expression for Prometheus, as Grafana would send it, by where it stands."""
    found = _queries("prometheus", "expr")
    for variable, value in _VARIABLES.items():
        found = {place: expression.replace(variable, value) for place, expression in found.items()}
    return found


def traceql() -> dict[str, str]:
    """Every query for Tempo, by where it stands."""
    return _queries("tempo", "query")


def metrics_of(expression: str) -> set[str]:
    """Names of the metrics in an expression."""
    return set(_METRIC.findall(expression))


def _queries(kind: str, field: str) -> dict[str, str]:
    return {
        f"{name}: {panel['title']} {target['refId']}": target[field]
        for name, board in boards().items()
        for panel in panels(board)
        for target in panel["targets"]
        if target["datasource"]["type"] == kind
    }
