"""How a handler's call ends: with a status of ours, or not at all where the caller has left."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, TypeVar

import grpc.aio
from google.protobuf.message import DecodeError

from parley.errors import InvalidInput, ParleyError, to_status
from serving.calls import in_flight

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

UNREADABLE: Final = "a request that is no message of this call: is it made from the same protos?"
"""What is wrong with bytes that cannot be read."""

_CANCEL_CHECKS: Final = 20
_CANCEL_CHECK_SECONDS: Final = 0.01

Request = TypeVar("Request")
Response = TypeVar("Response")


@asynccontextmanager
async def statuses(context: grpc.aio.ServicerContext[Request, Response]) -> AsyncIterator[None]:
    """The edge of a servicer: our errors inside the block end the call with their status and details.

    Two facts of grpc.aio (seen with grpcio 1.85) bind the servicer. After a write that was cancelled in flight another
    write raises, but a status still goes out. Where that was the call's first write no status goes out either, and the
    caller waits for ever: so the first message is written before there is a task whose failure could cancel it.
    """
    try:
        yield
    except ParleyError as error:
        await _abort(context, error)
    except DecodeError:
        # It comes where the requests are read, with UNKNOWN for the caller and a traceback for the log.
        await _abort(context, InvalidInput(UNREADABLE, field="request"))
    except grpc.aio.InternalError:
        # A write that met the caller's leaving (grpcio 1.85); anything else of that kind is ours to know. The write may
        # fail a moment before the call knows that it was cancelled.
        for _ in range(_CANCEL_CHECKS):
            if context.cancelled():
                return
            await asyncio.sleep(_CANCEL_CHECK_SECONDS)
        raise


async def _abort(context: grpc.aio.ServicerContext[Request, Response], error: ParleyError) -> None:
    code, message, trailing = to_status(error)
    await in_flight(context.abort(code, message, trailing))
