"""What all sessions of a gateway share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edge_gateway.idle_callbacks import IdleCallbacks

if TYPE_CHECKING:
    from edge_gateway.audio.codecs import Codecs
    from edge_gateway.directory import Directory
    from edge_gateway.latency.turn_metrics import TurnMetrics
    from edge_gateway.reply.reply import Servers
    from edge_gateway.servers.hops import Listens


@dataclass(frozen=True, slots=True)
class Backends:
    """The model servers, the codecs and what is told to operators; and the gateway's own defaults."""

    asr: Listens
    """Listens."""
    servers: Servers
    """Write and speak."""
    directory: Directory
    """Knows which engines and voices they have."""
    codecs: Codecs
    """Make encoders and decoders."""
    metrics: TurnMetrics
    """Traces and metrics."""
    instructions: str
    """For the model, when a session gives none."""
    lead_ms: int
    """How far ahead of the listener sound is sent."""
    filler: str = ""
    """What is said while a function or the model takes long; may be empty."""
    idle: IdleCallbacks = field(default_factory=IdleCallbacks)
    """Take what can wait until the gateway's loop is idle."""
