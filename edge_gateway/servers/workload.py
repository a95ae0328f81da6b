"""How much a server has to do, by what it has told of itself and when. Pure: seconds on any steady clock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from edge_gateway.capacity.path import PartLoad

if TYPE_CHECKING:
    from parley.v1.multiplex_pb2 import ServerLoad

# A server with calls tells once a second. One that has not for longer is late by what is missing, as far as it knows.
_TELLS_SECONDS: Final = 1.0
_BELIEVED_SECONDS: Final = 2.0
# As long as this it is known to live.
_ALIVE_SECONDS: Final = 3.0
# An engine that has taken nothing up for as long hangs.
_HANGS_SECONDS: Final = 15.0
_PERMILLE: Final = 1000.0


def part_load(part: str, told: tuple[float, ServerLoad] | None, calls_since: float | None, now: float) -> PartLoad:
    """How much a server has to do, as `part`, by what it `told` last, and when; one that never tells has nothing to do.

    `calls_since` is since when it has had calls that it has not ended; None: it has none. A call whose reply is written
    counts no more, however long that is listened to: its server tells nothing for its sake.
    """
    if told is None:
        return PartLoad(part)
    at, said = told
    if now - at <= _BELIEVED_SECONDS:
        return _load(part, said)
    silent_seconds = 0.0 if calls_since is None else now - max(at, calls_since)
    return PartLoad(part, lag_seconds=silent_seconds - _TELLS_SECONDS if silent_seconds > _BELIEVED_SECONDS else 0.0)


def is_slow(told: tuple[float, ServerLoad] | None, now: float) -> bool:
    """Whether a server lives, and has said that it has too much to do: its answers come, and come late."""
    if told is None or now - told[0] > _ALIVE_SECONDS:
        return False
    load = _load("", told[1])
    return load.is_full and load.engine_wait_seconds < _HANGS_SECONDS


def _load(part: str, said: ServerLoad) -> PartLoad:
    seconds = said.loop_lag_ms / _PERMILLE, said.engine_wait_ms / _PERMILLE
    return PartLoad(part, said.busy_permille / _PERMILLE, *seconds)
