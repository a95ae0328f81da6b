"""Errors as a client is told them. Knows nothing of what a session does about them."""

from __future__ import annotations

from typing import Final

from parley.conversation import ErrorCode, ErrorEvent
from parley.errors import ParleyError, ShuttingDown

_CODES: Final = {
    "INVALID_ARGUMENT": ErrorCode.INVALID_INPUT,
    "NOT_FOUND": ErrorCode.NOT_FOUND,
    "FAILED_PRECONDITION": ErrorCode.WRONG_STATE,
    "OUT_OF_RANGE": ErrorCode.TOO_LARGE,
    "RESOURCE_EXHAUSTED": ErrorCode.OVERLOADED,
    "UNAVAILABLE": ErrorCode.UNAVAILABLE,
    "DEADLINE_EXCEEDED": ErrorCode.DEADLINE,
    "DATA_LOSS": ErrorCode.AUDIO_LOST,
}


def error_event(error: ParleyError, hop: str, *, turn: int = 0, ends_session: bool = False) -> ErrorEvent:
    """An error as the client is told it."""
    return ErrorEvent(
        code=_code(error),
        message=str(error),
        field=error.field,
        hop=hop,
        retryable=error.retryable,
        retry_after_ms=error.retry_after_ms,
        ends_session=ends_session,
        turn=turn,
    )


def _code(error: ParleyError) -> ErrorCode:
    if isinstance(error, ShuttingDown):
        return ErrorCode.SHUTTING_DOWN
    return _CODES.get(error.code.name, ErrorCode.INTERNAL)
