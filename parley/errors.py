"""The errors that callers of Parley see, and the one table that joins them to gRPC statuses.

    ParleyError
    ├── InvalidInput        a value that cannot be used; names the field
    ├── NotFound            a voice, language or model that does not exist; names the field
    ├── WrongState          a message that does not fit what went before
    ├── TooLarge            a message or packet over its limit
    ├── Overloaded          the server is full; says when to try again
    ├── Unavailable         the server cannot be reached, or is not ready
    │   └── ShuttingDown    it is stopping; another one, or the same a little later, can be reached
    ├── DeadlinePassed      the server did not answer in time
    ├── AudioLost           sound was lost, and with it words
    └── EngineFailed        the server failed in its own work

Details travel as `google.rpc` messages (BadRequest, ErrorInfo, RetryInfo) in the status, so that a client in any
language gets the field, the reason and the time to wait. Knows nothing of sessions or of WebSockets.
"""

from __future__ import annotations

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from parley._handshake import explain_handshake

_DETAILS_KEY = "grpc-status-details-bin"
_ERROR_DOMAIN = "parley.v1"

# A message may quote what a stranger sent, however long that is: of a longer one its beginning and its end are kept,
# where value and remedy stand. A status travels in headers, of which gRPC takes 8 KiB, the text three times in all.
_LONGEST = 600
_END = 200
_LONGEST_BYTES = 900


class ParleyError(Exception):
    """Whatever Parley itself can say of a failure; `str()` is a sentence for people."""

    code = grpc.StatusCode.UNKNOWN
    """The gRPC status that it travels as."""

    told = False
    """True when the server said so itself, in our own form; else it was found out on the way to it."""

    def __init__(self, message: str, *, field: str = "", retry_after_ms: int = 0) -> None:
        """Keep the sentence; `field` names the value at fault, `retry_after_ms` says when to try again (0: unknown).

        Of a sentence over 600 characters the middle is left out.
        """
        super().__init__(_shortened(message, _LONGEST))
        self.field = field
        self.retry_after_ms = retry_after_ms

    @property
    def retryable(self) -> bool:
        """True when the same call may work later."""
        return isinstance(self, Overloaded | Unavailable | DeadlinePassed)


class InvalidInput(ParleyError):
    """A value that cannot be used, whatever the state. `field` names it."""

    code = grpc.StatusCode.INVALID_ARGUMENT


class NotFound(ParleyError):
    """A voice, language or model that does not exist. `field` names it."""

    code = grpc.StatusCode.NOT_FOUND


class WrongState(ParleyError):
    """A message that does not fit what went before it in its stream."""

    code = grpc.StatusCode.FAILED_PRECONDITION


class TooLarge(ParleyError):
    """A message or packet over its limit."""

    code = grpc.StatusCode.OUT_OF_RANGE


class Overloaded(ParleyError):
    """The server is full; `retry_after_ms` says when to try again."""

    code = grpc.StatusCode.RESOURCE_EXHAUSTED


class Unavailable(ParleyError):
    """The server cannot be reached, broke off, or is not ready."""

    code = grpc.StatusCode.UNAVAILABLE


class ShuttingDown(Unavailable):
    """The server is stopping and lets nobody in; travels as any `Unavailable`."""


class DeadlinePassed(ParleyError):
    """The server did not answer in time."""

    code = grpc.StatusCode.DEADLINE_EXCEEDED


class AudioLost(ParleyError):
    """Sound was lost and cannot be had again, and with it what was said."""

    code = grpc.StatusCode.DATA_LOSS


class EngineFailed(ParleyError):
    """The server failed in its own work."""

    code = grpc.StatusCode.INTERNAL


def not_installed(what: str, extra: str) -> Unavailable:
    """What is said where a package is missing: `what` begins the sentence, and the extra of Parley brings it."""
    return Unavailable(f"{what} is not installed: pip install '.[{extra}]' in the folder of Parley")


_BY_CODE: dict[grpc.StatusCode, type[ParleyError]] = {
    kind.code: kind
    for kind in (
        InvalidInput,
        NotFound,
        WrongState,
        TooLarge,
        Overloaded,
        Unavailable,
        DeadlinePassed,
        AudioLost,
        EngineFailed,
    )
}

_CODES: dict[int, grpc.StatusCode] = {int(code.value[0]): code for code in grpc.StatusCode}

# A write that meets the end of a call makes grpc.aio forget the status that the server sent (grpcio 1.85).
_BROKEN_OFF = "Internal error from Core"


def from_rpc(error: grpc.RpcError, hop: str) -> ParleyError:
    """Translate what grpc raised into our tree; `hop` ("asr", …) is named where the status says nothing itself.

    A status of a kind that is not in the table (UNKNOWN, UNIMPLEMENTED, a cancellation that we did not ask for)
    is an `EngineFailed`, except that a stream which the peer cancelled is `Unavailable`.
    """
    code = error.code() if isinstance(error, grpc.aio.AioRpcError | grpc.Call) else grpc.StatusCode.UNKNOWN
    text = (error.details() if isinstance(error, grpc.aio.AioRpcError | grpc.Call) else None) or code.name.lower()
    broken_off = code is grpc.StatusCode.CANCELLED or text.startswith(_BROKEN_OFF)
    kind = Unavailable if broken_off else _BY_CODE.get(code, EngineFailed)
    told, field, retry_after_ms = _read_details(error)
    if kind is Unavailable and not field:
        text = f"the {hop} server is not available: {(not told and explain_handshake(text)) or text}"
    failure = kind(text, field=field, retry_after_ms=retry_after_ms)
    failure.told = told
    return failure


def from_status(serialized: bytes, hop: str) -> ParleyError:
    """Translate a serialized `google.rpc.Status` with which a call ended; `hop` is as for `from_rpc`."""
    status = status_pb2.Status.FromString(serialized)
    code = _CODES.get(status.code, grpc.StatusCode.UNKNOWN)
    nothing, trailing = grpc.aio.Metadata(), grpc.aio.Metadata((_DETAILS_KEY, serialized))
    return from_rpc(grpc.aio.AioRpcError(code, nothing, trailing, details=status.message), hop)


def to_status(error: ParleyError) -> tuple[grpc.StatusCode, str, tuple[tuple[str, bytes], ...]]:
    """Code, message and trailing metadata with which a server ends a call for `error`."""
    text = _travelling(str(error))
    status = status_pb2.Status(code=int(error.code.value[0]), message=text)
    status.details.append(_packed(error_details_pb2.ErrorInfo(reason=error.code.name, domain=_ERROR_DOMAIN)))
    if error.field:
        violation = error_details_pb2.BadRequest.FieldViolation(field=error.field, description=text)
        status.details.append(_packed(error_details_pb2.BadRequest(field_violations=[violation])))
    if error.retry_after_ms:
        delay = duration_pb2.Duration(
            nanos=error.retry_after_ms % 1000 * 1_000_000, seconds=error.retry_after_ms // 1000
        )
        status.details.append(_packed(error_details_pb2.RetryInfo(retry_delay=delay)))
    return error.code, text, ((_DETAILS_KEY, status.SerializeToString()),)


def _shortened(text: str, longest: int) -> str:
    if len(text) <= longest:
        return text
    end = min(_END, longest // 2)
    return f"{text[: longest - end - 3]} … {text[-end:]}"


def _travelling(text: str) -> str:
    """`text` as headers carry it: what is no character is told as `?`."""
    text = text.encode(errors="replace").decode()
    return text if len(text.encode()) <= _LONGEST_BYTES else _shortened(text, _LONGEST_BYTES // 4)


def _packed(
    message: error_details_pb2.ErrorInfo | error_details_pb2.BadRequest | error_details_pb2.RetryInfo,
) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed


def _read_details(error: grpc.RpcError) -> tuple[bool, str, int]:
    """Whether there are status details of ours, and field and retry time from them."""
    if not isinstance(error, grpc.aio.AioRpcError):
        return False, "", 0
    told, field, retry_after_ms = False, "", 0
    for key, value in error.trailing_metadata() or ():
        if key != _DETAILS_KEY or not isinstance(value, bytes):
            continue
        try:
            status = status_pb2.Status.FromString(value)
        except DecodeError:
            return False, "", 0
        for detail in status.details:
            ours, bad, retry = (
                error_details_pb2.ErrorInfo(),
                error_details_pb2.BadRequest(),
                error_details_pb2.RetryInfo(),
            )
            told = told or (detail.Unpack(ours) and ours.domain == _ERROR_DOMAIN)
            if detail.Unpack(bad) and bad.field_violations:
                field = bad.field_violations[0].field
            if detail.Unpack(retry):
                retry_after_ms = retry.retry_delay.ToMilliseconds()
    return told, field, retry_after_ms
