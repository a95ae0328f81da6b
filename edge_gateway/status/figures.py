"""All that `/stats` tells, as JSON. Never a word that anybody said."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from math import isfinite
from typing import TYPE_CHECKING, Final

from edge_gateway.status.turn_log import MOST_TURNS, LoggedTurn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edge_gateway.sharing.board import Row
    from edge_gateway.status.server_facts import Answer
    from edge_gateway.status.turn_log import Percentiles
    from parley.status import Distribution

_DECIMALS: Final = 3
_TURN_FIELDS: Final = tuple(each.name for each in fields(LoggedTurn) if each.name != "waterfall")


@dataclass(frozen=True, slots=True)
class Figures:
    """A gateway at one moment."""

    version: str
    """Version of Parley that runs; empty: not known."""
    started_unix_ms: int
    """When the gateway was started, milliseconds since the Unix epoch."""
    now_unix_ms: int
    """The moment."""
    sessions: tuple[int, int]
    """How many there are, and how many there may be."""
    servers: Sequence[Answer]
    """What the servers tell."""
    turns: Sequence[LoggedTurn]
    """The last turns, the newest first."""
    percentiles: Mapping[str, Percentiles]
    """Of their times."""
    gateways: Sequence[Row]
    """All gateways on its port, itself among them; empty where the port is its alone."""

    def to_json(self) -> str:
        """The document that `/stats` gives."""
        active, most = self.sessions
        document = {
            "version": self.version,
            "started_unix_ms": self.started_unix_ms,
            "now_unix_ms": self.now_unix_ms,
            "sessions": {"active": active, "max": most},
            "servers": [_server(each) for each in self.servers],
            "percentiles": {name: _rounded(asdict(each)) for name, each in self.percentiles.items()},
            "gateways": [{"port": row.own_port, "active": row.sessions, "max": row.most} for row in self.gateways],
        }
        turns = ",".join(map(_turn, self.turns))
        return f'{_compact(document)[:-1]},"turns":[{turns}]}}'


# A turn that is over changes no more, and who looks does so again and again, beside conversations that must not wait.
@lru_cache(maxsize=MOST_TURNS)
def _turn(turn: LoggedTurn) -> str:
    known = _rounded({each: getattr(turn, each) for each in _TURN_FIELDS})
    slices = [
        {
            "name": each.name,
            "start_ms": round(each.start_ms, _DECIMALS),
            "duration_ms": round(each.duration_ms, _DECIMALS),
        }
        for each in turn.waterfall
    ]
    return _compact({**known, "waterfall": slices})


def _server(answer: Answer) -> dict[str, object]:
    """One server; a figure that is not known is null."""
    status = answer.status
    known: dict[str, object] = {"name": answer.name, "address": answer.address, "reason": answer.reason}
    known |= {"health": answer.health, "in_flight": answer.in_flight}
    if status is None:
        figures = dict.fromkeys(("calls", "queue_depth", "batch_size", "real_time_factor", "loop_lag_ms"))
        unknown = {
            "engine": "",
            "model": "",
            "problem": "",
            "turn_detection": "",
            "version": "",
            "instance": "",
            "started_unix_ms": None,
        }
        return {**known, "state": answer.state, **unknown, **figures, "cancel_to_idle_ms": None}
    return {
        **known,
        "state": "unknown" if not status.state.value else status.state.name.lower(),
        "engine": status.engine,
        "model": status.model,
        "problem": status.problem,
        "turn_detection": status.turn_detection,
        "version": status.version,
        "instance": status.instance,
        "started_unix_ms": status.started_unix_ms,
        "calls": status.calls,
        "queue_depth": status.queue_depth,
        "batch_size": _distribution(status.batch_size),
        "real_time_factor": _distribution(status.real_time_factor),
        "loop_lag_ms": _distribution(status.loop_lag_ms),
        "cancel_to_idle_ms": _distribution(status.cancel_to_idle_ms),
    }


def _distribution(measured: Distribution | None) -> dict[str, object] | None:
    """What was measured; what is no number, and cannot stand in JSON, is not known."""
    if measured is None or not all(map(isfinite, (measured.mean, measured.p50, measured.p95))):
        return None
    return _rounded(asdict(measured))


def _rounded(values: Mapping[str, object]) -> dict[str, object]:
    """The same with numbers that people can use: a nanosecond of a waterfall says nothing."""
    return {name: round(each, _DECIMALS) if isinstance(each, float) else each for name, each in values.items()}


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)
