"""Serves many calls over one stream, by the handlers that serve each of them over its own.

One call's failure, slowness or end touches no other: a message waits for the credit of its call, and what a handler
raises ends that call alone. Knows no service by name.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NoReturn, Self, cast

import grpc.aio
from google.rpc import status_pb2

from parley._duplex import first_of
from parley._frames import CREDIT, LARGE_BATCH_BYTES, Allowance, Consumption, FrameWriter, cost
from parley.errors import InvalidInput, NotFound, ParleyError, ShuttingDown, TooLarge, to_status
from parley.v1.multiplex_pb2 import CallFrame, ConnectRequest, ConnectResponse
from parley.v1.multiplex_pb2_grpc import MultiplexServiceServicer
from serving.call_status import statuses
from serving.calls import Carried, Peer
from serving.load_frame import load_frame

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable, Coroutine, Mapping

    from google.protobuf.message import Message

    from serving.load import Load

    Context = grpc.aio.ServicerContext[ConnectRequest, ConnectResponse]
    Behaviour = Callable[[AsyncIterable[Message], object], Coroutine[object, object, None]]

SERVICE: Final = "parley.v1.MultiplexService"

_log = logging.getLogger("parley.serving")


class Handlers:
    """Stands for a server where servicers register, and keeps what they can do."""

    def __init__(self) -> None:
        """Know of none."""
        self.methods: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}
        """Handlers of streams in both directions, by the full names of their methods."""

    def add_generic_rpc_handlers(self, handlers: object) -> None:
        """What gRPC wants; the registered handlers are the same."""

    def add_registered_method_handlers(
        self, service: str, handlers: Mapping[str, grpc.RpcMethodHandler[Any, Any]]
    ) -> None:
        """Keep the handlers of a service."""
        for name, handler in handlers.items():
            if handler.request_streaming and handler.response_streaming:
                self.methods[f"/{service}/{name}"] = handler


@dataclass(slots=True)
class Traffic:
    """Messages of all streams, each with whatever its calls had to say at that time."""

    received: int = 0
    """From gateways."""
    sent: int = 0
    """To them."""


class MultiplexServicer(MultiplexServiceServicer):
    """Serves what was registered."""

    def __init__(self, handlers: Handlers, traffic: Traffic | None = None) -> None:
        """Serve the methods of `handlers`, and count the messages of all streams."""
        self._methods = handlers.methods
        self._traffic = traffic or Traffic()
        self._connections: set[_Connection] = set()
        self._drains = False

    def drain(self) -> None:
        """Let no call begin any more, and end each stream with its last call."""
        self._drains = True
        for connection in self._connections:
            connection.drain()

    def tell(self, load: Load) -> None:
        """Tell every caller with calls how much there is to do."""
        frame = load_frame(load)
        for connection in self._connections:
            connection.tell(frame)

    async def Connect(  # type: ignore[override]  # noqa: N802 - grpc.aio also takes a coroutine that writes
        self, request_iterator: AsyncIterable[ConnectRequest], context: Context
    ) -> None:
        """Calls of one caller."""
        async with statuses(context):
            connection = _Connection(self._methods, request_iterator, context, self._traffic)
            self._connections.add(connection)
            if self._drains:
                connection.drain()
            try:
                await connection.serve()
            except BaseExceptionGroup as group:
                raise first_of(group) from None
            finally:
                self._connections.discard(connection)


class _Connection:
    """One stream."""

    def __init__(
        self,
        methods: Mapping[str, grpc.RpcMethodHandler[Any, Any]],
        requests: AsyncIterable[ConnectRequest],
        context: Context,
        traffic: Traffic,
    ) -> None:
        self._methods = methods
        # Read and written without `Peer`, which costs a turn of the loop a message: a writer of frames is cancelled
        # nowhere, and a reader once in the life of a stream.
        self._requests = requests
        self._peer = Peer(requests, context)
        self._context = context
        self._traffic = traffic
        self._frames = FrameWriter(self._write, LARGE_BATCH_BYTES)
        self._calls: dict[int, _Call] = {}
        self._last_number = 0
        self._drains = self._is_half_closed = False
        self._over = asyncio.Event()

    def drain(self) -> None:
        self._drains = True
        self._end_if_unused()

    def tell(self, load: CallFrame) -> None:
        if self._calls:
            self._frames.put_later(load)

    async def serve(self) -> None:
        await self._peer.write(ConnectResponse())
        self._frames.open()
        try:
            async with asyncio.TaskGroup() as tasks:
                reader = tasks.create_task(self._read(tasks), name="multiplexed requests")
                await self._over.wait()
                reader.cancel()
            await self._frames.drained()
        finally:
            self._frames.close()

    def _write(self, frames: list[CallFrame]) -> Coroutine[Any, Any, object]:
        self._traffic.sent += 1
        return self._context.write(ConnectResponse(frames=frames))

    async def _read(self, tasks: asyncio.TaskGroup) -> None:
        async for request in self._requests:
            self._traffic.received += 1
            for frame in request.frames:
                if frame.HasField("begin"):
                    self._begin(frame, tasks)
                else:
                    call = self._calls.get(frame.call)
                    if call is not None:
                        call.take(frame)
                    elif frame.HasField("read"):
                        self._frames.was_read(frame.read)
            self._frames.read()
        self._is_half_closed = True
        for call in self._calls.values():
            call.half_close()
        self._end_if_unused()

    def _begin(self, frame: CallFrame, tasks: asyncio.TaskGroup) -> None:
        if frame.call <= self._last_number:
            raise InvalidInput(f"call {frame.call} after {self._last_number}: numbers rise", field="frames.call")
        self._last_number = frame.call
        handler = self._methods.get(frame.begin)
        if self._drains:
            self._refuse(frame.call, ShuttingDown("the server is stopping"))
        elif handler is None:
            self._refuse(frame.call, NotFound(f"{frame.begin}: there is no such method", field="frames.begin"))
        else:
            call = self._calls[frame.call] = _Call(frame.call, self._frames, handler)
            behaviour = cast("Behaviour", handler.stream_stream)
            tasks.create_task(self._handle(call, behaviour), name=frame.begin)

    async def _handle(self, call: _Call, behaviour: Behaviour) -> None:
        """Have a call served to its end, whatever that is: it ends nothing but this call."""
        end = _End(call)
        try:
            if call.begin(asyncio.current_task()):
                with end:
                    await behaviour(call, call)
        finally:
            del self._calls[call.number]
            self._end_if_unused()
            if not call.has_left:
                # An end without an error says what the last message has said.
                put = self._frames.put if end.status else self._frames.put_later
                put(CallFrame(call=call.number, status=end.status))

    def _refuse(self, number: int, error: ParleyError) -> None:
        self._frames.put(CallFrame(call=number, status=to_status(error)[2][0][1]))

    def _end_if_unused(self) -> None:
        if (self._drains or self._is_half_closed) and not self._calls:
            self._over.set()


class _Aborted(Exception):
    """A handler has ended its call with a status."""

    def __init__(self, status: bytes) -> None:
        super().__init__(status)
        self.status = status


class _End:
    """A block that ends a call with a status, whatever is raised in it."""

    def __init__(self, call: _Call) -> None:
        self.status = b""
        self._call = call

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, asyncio.CancelledError):
            self.status = _status(grpc.StatusCode.CANCELLED, "cancelled")
            return self._call.has_left
        if isinstance(error, BaseExceptionGroup):
            error = first_of(error)
        if isinstance(error, Exception):
            self.status = _status_of(error)
            return True
        return False


class _Call(Carried):
    """A call for its handler: what it iterates over, and what it has as its context."""

    def __init__(self, number: int, frames: FrameWriter, handler: grpc.RpcMethodHandler[Any, Any]) -> None:
        self.number = number
        self.has_left = False
        """The caller has."""
        self._work: asyncio.Task[None] | None = None
        self._frames = frames
        self._parse = cast("Callable[[bytes], Message]", handler.request_deserializer)
        self._serialize = cast("Callable[[Message], bytes]", handler.response_serializer)
        # No deque: it takes 760 bytes where it is empty.
        self._come: list[bytes] = []
        self._waiting: asyncio.Future[None] | None = None
        """The handler, for its next message."""
        self._is_half_closed = False
        self._allowance = Allowance()
        self._consumption = Consumption()

    def begin(self, work: asyncio.Task[None] | None) -> bool:
        """`work` serves it from now on; False: the caller has left before anybody did."""
        self._work = work
        return not self.has_left

    def half_close(self) -> None:
        """The caller sends no more."""
        self._is_half_closed = True
        self._wake()

    def take(self, frame: CallFrame) -> None:
        match frame.WhichOneof("frame"):
            case "message":
                if len(self._come) >= 2 * CREDIT:
                    raise TooLarge(f"call {self.number} has no credit", field="frames.message")
                self._come.append(frame.message)
                self._wake()
            case "credit":
                self._allowance.add(frame.credit)
            case "half_close":
                self.half_close()
            case "cancel":
                self.has_left = True
                if self._work is not None:
                    self._work.cancel()
            case _:
                pass

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Message:
        while not self._come:
            if self._is_half_closed:
                raise StopAsyncIteration
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting
        message = self._come.pop(0)
        due = self._consumption.take(cost(message))
        if due:
            # Where more waits, the other side has much to send, and may be waiting for it.
            put = self._frames.put if self._come else self._frames.put_later
            put(CallFrame(call=self.number, credit=due))
        return self._parse(message)

    async def write(self, message: Message) -> None:
        await self._allowance.room()
        self._frames.put(self._frame(message))

    async def write_later(self, message: Message) -> None:
        await self._allowance.room()
        self._frames.put_later(self._frame(message))

    @property
    def room(self) -> int:
        return self._allowance.left if self._frames.is_idle else 0

    def push(self, *messages: Message) -> None:
        self._frames.put(*map(self._frame, messages))

    def _frame(self, message: Message) -> CallFrame:
        serialized = self._serialize(message)
        self._allowance.spend(serialized)
        return CallFrame(call=self.number, message=serialized)

    async def abort(self, _code: object, _details: str, trailing: tuple[tuple[str, bytes], ...]) -> NoReturn:
        raise _Aborted(trailing[0][1])

    def cancelled(self) -> bool:
        return self.has_left


def _status_of(error: Exception) -> bytes:
    """With what status a call ends whose handler raised this."""
    if isinstance(error, _Aborted):
        return error.status
    _log.error("a call failed", exc_info=error)
    return _status(grpc.StatusCode.UNKNOWN, f"unexpected {type(error).__name__}")


def _status(code: grpc.StatusCode, message: str) -> bytes:
    return bytes(status_pb2.Status(code=code.value[0], message=message).SerializeToString())
