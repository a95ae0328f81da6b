"""What a server tells of itself. Knows nothing of messages and calls."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class ServerState(enum.Enum):
    """Whether a server takes calls."""

    UNSPECIFIED = 0
    """Not told."""
    STARTING = 1
    """The engine is still loaded."""
    SERVING = 2
    """Calls are taken."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """What was measured many times."""

    count: int
    """How many times."""
    mean: float
    """Mean of all."""
    p50: float
    """What half of them do not exceed, reckoned from a histogram."""
    p95: float
    """What 95 in 100 of them do not exceed, reckoned from a histogram."""


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """How a server is. Figures that it does not measure are None; the others count from its start."""

    service: str
    """Which server it is: asr, llm or tts."""
    version: str
    """Version of Parley that it runs; empty: not known."""
    instance: str
    """Name of this process among others of the service."""
    started_unix_ms: int
    """When it was started, milliseconds since the Unix epoch."""
    state: ServerState
    """Whether it takes calls."""
    engine: str
    """Name of the engine."""
    model: str
    """Model of the engine, the first where it has several; empty: it has none to tell apart."""
    problem: str
    """Why calls may fail although they are taken; empty: nothing is known to be wrong."""
    turn_detection: str = ""
    """How turns are found to be over: by "words", or by which model in what time; empty: it finds none."""
    calls: int | None = None
    """Calls that run now."""
    queue_depth: int | None = None
    """What waits for the engine now."""
    batch_size: Distribution | None = None
    """How many sounds or replies the engine worked on at once."""
    real_time_factor: Distribution | None = None
    """Time that the engine took, divided by the length of the sound."""
    loop_lag_ms: Distribution | None = None
    """How much later than asked the event loop came round."""
    cancel_to_idle_ms: Distribution | None = None
    """From a caller's leaving to the end of the work for it."""
