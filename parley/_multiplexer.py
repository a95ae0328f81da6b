"""Many calls over one stream to a server: what a gateway with many sessions saves is told in docs/performance.md.

A call is a block, as in `parley._duplex`, with the same errors. The stream is opened with the first call, and again
with the next one after it broke. One that is old takes no new calls, so that certificates and addresses that have
changed since are used; it ends with its last call. Knows nothing of what the messages mean.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, Generic, Self, TypeVar, cast

import grpc.aio
from google.protobuf.message import DecodeError

from parley._duplex import duplex, first_of, joined, until_done
from parley._frames import Allowance, Consumption, FrameWriter
from parley.errors import EngineFailed, Overloaded, ParleyError, Unavailable, from_rpc, from_status
from parley.v1.multiplex_pb2 import CallFrame, ConnectRequest
from parley.v1.multiplex_pb2_grpc import MultiplexServiceStub

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Callable

    from google.protobuf.message import Message

    from parley.v1.multiplex_pb2 import ConnectResponse
    from parley.v1.multiplex_pb2_grpc import MultiplexServiceAsyncStub

Request = TypeVar("Request", bound="Message")
Response = TypeVar("Response")

# Well below the age at which servers have callers connect anew.
_OLD_SECONDS: Final = 600.0
_WITHOUT_END: Final = 1 << 30


class Multiplexer:
    """Makes calls of one server; `run` must be running."""

    def __init__(
        self, channel: grpc.aio.Channel, hop: str, max_message_bytes: int, old_seconds: float = _OLD_SECONDS
    ) -> None:
        """Use `channel`; `hop` names the server in errors. A stream that is `old_seconds` old takes no new calls.

        A call whose message is longer than `max_message_bytes` fails; `channel` must take a little more.
        """
        self._stub: MultiplexServiceAsyncStub = MultiplexServiceStub(channel)
        self._hop = hop
        self._max_message_bytes = max_message_bytes
        self._old_seconds = old_seconds
        self._current: _Carrier | None = None
        self._tasks: asyncio.TaskGroup | None = None
        self._runs = asyncio.Event()

    async def run(self) -> None:
        """Keep the streams until cancelled."""
        async with asyncio.TaskGroup() as self._tasks:
            self._runs.set()
            try:
                await asyncio.Event().wait()
            finally:
                self._runs.clear()

    @property
    def is_ready(self) -> bool:
        """A call begins at once: the server has answered on the stream that it would take."""
        current = self._current
        return self._runs.is_set() and current is not None and current.answered.is_set() and self._is_usable(current)

    @property
    def is_plain(self) -> bool:
        """The server does not know this protocol: each call has a stream of its own."""
        return self._current is not None and self._current.is_unknown

    @asynccontextmanager
    async def call(  # noqa: PLR0913 - what is called, what is said, and how
        self,
        method: str,
        parse: Callable[[bytes], Response],
        first: Request,
        rest: AsyncIterable[Request] | None,
        plain: grpc.aio.StreamStreamMultiCallable[Request, Response],
        *,
        pushes: bool = False,
    ) -> AsyncIterator[AsyncIterator[Response]]:
        """Call `method` ("/package.Service/Method"), write `first` and the `rest` to it, iterate over its responses.

        `parse` makes a response of bytes, and raises DecodeError. Of a server that does not know this protocol `plain`
        makes a call of its own. Whoever `pushes` writes the `rest` itself, to the `CarriedCall` that it is given; of a
        plain call, which is none, the `rest` is written as ever.

        Raises:
            ParleyError: the call failed; raised where the responses are read.
            Exception: whatever `rest` or the block raised, never wrapped in a group.
        """
        carrier = await self._carrier()
        if carrier.is_unknown:
            async with duplex(plain, joined(first, rest), self._hop) as responses:
                yield responses
            return
        call = carrier.add(parse, self._max_message_bytes)
        try:
            call.begin(method, first, is_all=rest is None)
            if rest is None or pushes:
                yield call
                return
            async with asyncio.TaskGroup() as tasks:
                writer = tasks.create_task(call.write(rest), name=f"{self._hop} requests")
                try:
                    yield call
                finally:
                    writer.cancel()
        except BaseExceptionGroup as group:
            raise first_of(group) from None
        finally:
            carrier.leave(call)

    async def _carrier(self) -> _Carrier:
        """The stream for a new call; it has been answered, or has failed."""
        await self._runs.wait()
        current = self._current
        if current is None or not self._is_usable(current):
            if current is not None:
                current.retire()
            current = self._current = _Carrier(self._stub, self._hop, _now())
            if self._tasks is not None:
                self._tasks.create_task(current.run(), name=f"{self._hop} calls")
        await current.answered.wait()
        return current

    def _is_usable(self, carrier: _Carrier) -> bool:
        return not carrier.is_over and _now() - carrier.began_seconds < self._old_seconds


class _Carrier:
    """One stream, and the calls that it carries."""

    def __init__(self, stub: MultiplexServiceAsyncStub, hop: str, now_seconds: float) -> None:
        self.began_seconds = now_seconds
        self.answered = asyncio.Event()
        """Set once the server has answered, or will not."""
        self.is_unknown = False
        """The server does not know the protocol."""
        self._failure: ParleyError | None = None
        self._hop = hop
        self._call = stub.Connect()
        self._frames = FrameWriter(lambda frames: self._call.write(ConnectRequest(frames=frames)))
        self._calls: dict[int, CarriedCall[object]] = {}
        self._begun = 0
        self._retired = False

    @property
    def is_over(self) -> bool:
        return self._failure is not None and not self.is_unknown

    def add(self, parse: Callable[[bytes], Response], max_message_bytes: int) -> CarriedCall[Response]:
        self._begun += 1
        call = CarriedCall(self._begun, self._frames, parse, self._hop, max_message_bytes)
        self._calls[call.number] = call  # type: ignore[assignment]  # what comes is of the type that it parses
        if self._failure is not None:
            call.finish(_again(self._failure))
        return call

    def leave(self, call: CarriedCall[Response]) -> None:
        del self._calls[call.number]
        call.on_room = None
        if not call.is_over:
            self._frames.put(CallFrame(call=call.number, cancel=True))
        self._end_if_unused()

    def retire(self) -> None:
        self._retired = True
        self._end_if_unused()

    async def run(self) -> None:
        """Keep it until it is over, or until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            # Never cancelled while grpc.aio works for it: see `parley._duplex`.
            reader = tasks.create_task(self._read(), name=f"{self._hop} calls")
            try:
                await asyncio.shield(reader)
            finally:
                self._fail(Unavailable(f"the {self._hop} server is not asked any more"))
                self._call.cancel()
                await until_done(reader)

    async def _read(self) -> None:
        """Hand out what comes."""
        try:
            await self._call.wait_for_connection()
            self._frames.open()
            while (response := await self._call.read()) is not grpc.aio.EOF:
                self.answered.set()
                for frame in cast("ConnectResponse", response).frames:
                    call = self._calls.get(frame.call)
                    if call is not None:
                        call.take(frame)
            self._fail(Unavailable(f"the {self._hop} server is not available: it ended the stream"))
        except grpc.aio.AioRpcError as error:
            self.is_unknown = error.code() is grpc.StatusCode.UNIMPLEMENTED
            self._fail(from_rpc(error, self._hop))
        except asyncio.CancelledError:
            self._fail(Unavailable(f"the stream of the {self._hop} server was cancelled"))

    def _fail(self, failure: ParleyError) -> None:
        self._failure = self._failure or failure
        self._frames.close()
        self.answered.set()
        for call in self._calls.values():
            call.finish(_again(self._failure))

    def _end_if_unused(self) -> None:
        if self._retired and not self._calls:
            self._call.cancel()


class CarriedCall(Generic[Response]):
    """A call that is carried: its responses, and a way to send requests (see `parley._pushed`)."""

    def __init__(
        self, number: int, frames: FrameWriter, parse: Callable[[bytes], Response], hop: str, max_message_bytes: int
    ) -> None:
        self.number = number
        self.is_over = False
        """The server has ended it, or cannot be reached."""
        self._frames = frames
        self._parse = parse
        self._hop = hop
        self._max_message_bytes = max_message_bytes
        self._failure: ParleyError | None = None
        self._come: deque[Response] = deque()
        self._changed = asyncio.Event()
        self._allowance = Allowance()
        self._consumption = Consumption()
        self.on_room: Callable[[], None] | None = None
        """Called when the server has given credit."""

    @property
    def has_room(self) -> bool:
        """True when `push` may be called."""
        return self._allowance.left > 0

    def push(self, request: Message) -> None:
        """Send a request at once; there must be room."""
        self._allowance.left -= 1
        self.send(request)

    def begin(self, method: str, first: Message, *, is_all: bool = False) -> None:
        """Begin it with its first request, all in one message; `is_all`: no more will follow."""
        if self.is_over:
            return
        message = self._serialized(first)
        if message is None:
            return
        self._allowance.left -= 1
        frames = [CallFrame(call=self.number, begin=method), CallFrame(call=self.number, message=message)]
        if is_all:
            frames.append(CallFrame(call=self.number, half_close=True))
        self._frames.put(*frames)

    def take(self, frame: CallFrame) -> None:
        """Something of it has come."""
        match frame.WhichOneof("frame"):
            case "message":
                try:
                    self._come.append(self._parse(frame.message))
                except DecodeError:
                    self.finish(EngineFailed(f"the {self._hop} server sent what is no message of this call"))
                self._changed.set()
            case "credit":
                self._allowance.add(frame.credit)
                if self.on_room is not None:
                    self.on_room()
            case "status":
                self.finish(from_status(frame.status, self._hop) if frame.status else None)
            case _:
                pass

    def finish(self, failure: ParleyError | None) -> None:
        """Nothing more will come, perhaps because of a failure."""
        if not self.is_over:
            self.is_over, self._failure = True, failure
            self._changed.set()
            self._allowance.add(_WITHOUT_END)

    async def write(self, requests: AsyncIterable[Request]) -> None:
        """Send all requests, each when the server can take it."""
        messages = aiter(requests)
        try:
            async for request in messages:
                await self._allowance.spend()
                if self.is_over:
                    return
                self.send(request)
            self.half_close()
        finally:
            if isinstance(messages, AsyncGenerator):
                await messages.aclose()

    def half_close(self) -> None:
        """Nothing more will be sent."""
        if not self.is_over:
            self._frames.put(CallFrame(call=self.number, half_close=True))

    def send(self, request: Message) -> None:
        """Send a request, for which there is credit."""
        if not self.is_over and (message := self._serialized(request)) is not None:
            self._frames.put(CallFrame(call=self.number, message=message))

    def _serialized(self, request: Message) -> bytes | None:
        """The request as bytes; None: it is too long, which is the end of the call."""
        message = request.SerializeToString()
        if len(message) <= self._max_message_bytes:
            return message
        self._frames.put(CallFrame(call=self.number, cancel=True))
        most = self._max_message_bytes
        self.finish(Overloaded(f"a message of {len(message)} bytes for the {self._hop} server: at most {most}"))
        return None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Response:
        while not self._come:
            if self._failure is not None:
                raise self._failure
            if self.is_over:
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        due = self._consumption.take()
        if due and not self.is_over:
            self._frames.put(CallFrame(call=self.number, credit=due))
        return self._come.popleft()


def _again(failure: ParleyError) -> ParleyError:
    """The same failure for another call: an exception keeps the frames that it went through."""
    fresh = type(failure)(str(failure), field=failure.field, retry_after_ms=failure.retry_after_ms)
    fresh.told, fresh.__cause__ = failure.told, failure.__cause__
    return fresh


def _now() -> float:
    return asyncio.get_running_loop().time()
