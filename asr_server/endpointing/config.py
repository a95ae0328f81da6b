"""What a stream agrees on with its client: the defaults of endpointing, and what the client wants otherwise."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from asr_server.endpointing.endpointer import EndpointConfig
from parley.errors import InvalidInput

if TYPE_CHECKING:
    from parley import asr


def endpoint_config(given: asr.Endpointing) -> EndpointConfig:
    """The defaults, and what a session wants otherwise.

    Raises:
        InvalidInput: a threshold outside 0 to 1, or a release above the start.
    """
    changes: dict[str, float] = {}
    for name in given.__slots__:
        value = getattr(given, name)
        if value is not None:
            changes[name.replace("_ms", "_seconds")] = value / 1000 if name.endswith("_ms") else value
    config = replace(EndpointConfig(), **changes)
    if not 0 <= config.release_threshold <= config.start_threshold <= 1:
        raise InvalidInput(
            "thresholds go from 0 to 1, and release_threshold is at most start_threshold",
            field="endpointing.start_threshold",
        )
    if config.hard_limit_seconds < 1 or config.soft_limit_seconds > config.hard_limit_seconds:
        raise InvalidInput(
            "soft_limit_ms is at most hard_limit_ms, which is at least 1000", field="endpointing.soft_limit_ms"
        )
    return config
