"""What a span says of a failure: its kind, its code, never its text, which may quote what somebody said."""

from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Final

import grpc.aio
from opentelemetry.trace import Status, StatusCode

from parley._duplex import first_of
from parley.errors import ParleyError

if TYPE_CHECKING:
    from types import TracebackType

    from opentelemetry import trace
    from opentelemetry.util.types import AttributeValue


# A write that meets the caller's leaving fails before the call is cancelled (grpcio 1.85).
_LEFT: Final = (asyncio.CancelledError, grpc.aio.InternalError)


def failure_attributes(error: BaseException) -> dict[str, AttributeValue]:
    """The exception's type, as `error.type` of OpenTelemetry, and the code that our own errors travel with."""
    first = _first(error)
    code = {"parley.error_code": first.code.name} if isinstance(first, ParleyError) else {}
    return {"error.type": type(first).__name__, **code}


def note_failure(span: trace.Span, error: BaseException) -> None:
    """Mark a span as failed."""
    first = _first(error)
    attributes = failure_attributes(first)
    span.set_attributes(attributes)
    span.set_status(Status(StatusCode.ERROR, str(attributes.get("parley.error_code", attributes["error.type"]))))
    # Neither its message nor its traceback, which ends with the message.
    span.add_event("exception", {"exception.type": f"{type(first).__module__}.{type(first).__qualname__}"})


class Ending(AbstractContextManager[None]):
    """A block whose end a span tells of: it failed, or whoever wanted its outcome has left."""

    def __init__(self, span: trace.Span) -> None:
        """Tell it of `span`."""
        self._span = span

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Note how the block ended; what was raised goes on."""
        note_end(self._span, error)


def left_early(error: BaseException) -> bool:
    """True when it was not the work that failed: whoever wanted its outcome has left."""
    return isinstance(_first(error), _LEFT)


def note_end(span: trace.Span, error: BaseException | None) -> None:
    """Note how the work of a span ended, by what was raised in it."""
    if error is not None and left_early(error):
        span.set_attribute("parley.cancelled", True)  # noqa: FBT003 - OpenTelemetry's own order
    elif error is not None:
        note_failure(span, error)


def _first(error: BaseException) -> BaseException:
    return first_of(error) if isinstance(error, BaseExceptionGroup) else error
