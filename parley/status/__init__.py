"""What a server tells of itself to whoever runs it: the values, their messages, and a client.

`report` has values that know nothing of calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from parley._lazy import lazily
from parley.status.report import Distribution, ServerState, ServerStatus
from parley.status.wire import SERVICE, status_from_proto, status_to_proto

if TYPE_CHECKING:
    from parley.status.client import StatusClient

__all__ = [
    "SERVICE",
    "Distribution",
    "ServerState",
    "ServerStatus",
    "StatusClient",
    "status_from_proto",
    "status_to_proto",
]

__getattr__ = lazily(__name__, dict.fromkeys(("StatusClient",), "parley.status.client"))
