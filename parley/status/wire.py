"""A server's status as its message, and back. Knows nothing of calls."""

from __future__ import annotations

from typing import Final

from parley._convert import extract, fill
from parley.status.report import ServerStatus
from parley.v1 import status_pb2

SERVICE: Final = "parley.v1.StatusService"
"""Full name of the service."""


def status_to_proto(status: ServerStatus) -> status_pb2.GetStatusResponse:
    """A status as its message."""
    return fill(status_pb2.GetStatusResponse(), status)


def status_from_proto(answer: status_pb2.GetStatusResponse) -> ServerStatus:
    """A message as a status; a state that is not known here is `UNSPECIFIED`."""
    return extract(ServerStatus, answer)
