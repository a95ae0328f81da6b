"""Where the page leads for one trace: an address with `{trace_id}` in it. Pure: asks nobody whether it is there."""

from __future__ import annotations

import json
from typing import Final
from urllib.parse import quote, urlsplit

TRACE_ID: Final = "{trace_id}"
"""Stands in an address for the trace that is meant."""
TEMPO_UID: Final = "parley-tempo"
"""Name of the data source in Grafana, as deploy/observability provisions it."""

# Takes the place of the id while the query is written as JSON, and needs no escape in it nor in an address.
_PLACE: Final = "TRACEID"
_PANE: Final = "parley"
_ORGANISATION: Final = 1


def trace_link(template: str, grafana: str) -> str:
    """An address with `{trace_id}` in it: `template` where there is one, else Grafana's Explore; empty: nowhere.

    Raises:
        ValueError: one of the two cannot be used; the message says what is wrong with it.
    """
    if template:
        if not _is_address(template) or TRACE_ID not in template:
            raise ValueError(f"PARLEY_TRACE_URL={template}: not an http or https address with {TRACE_ID} in it")
        return template
    if not grafana:
        return ""
    if not _is_address(grafana) or urlsplit(grafana).query:
        raise ValueError(f"PARLEY_GRAFANA_URL={grafana}: not the address of a Grafana, such as http://localhost:3000")
    return _explore(grafana.rstrip("/"))


def _explore(grafana: str) -> str:
    """Grafana's Explore with one trace, by the schema of its addresses, version 1."""
    source = {"type": "tempo", "uid": TEMPO_UID}
    query = {"refId": "A", "datasource": source, "queryType": "traceql", "query": _PLACE}
    panes = {_PANE: {"datasource": TEMPO_UID, "queries": [query], "range": {"from": "now-24h", "to": "now"}}}
    written = quote(json.dumps(panes, separators=(",", ":")), safe="").replace(_PLACE, TRACE_ID)
    return f"{grafana}/explore?schemaVersion=1&panes={written}&orgId={_ORGANISATION}"


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.netloc)
