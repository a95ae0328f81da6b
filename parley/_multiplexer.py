"""Many calls over one stream to a server: what a gateway with many sessions saves is told in docs/performance.md.

A call is a block, as in `parley._duplex`, with the same errors. The stream is opened with the first call, and again
with the next one after it broke. One that is old takes no new calls, so that certificates and addresses that have
changed since are used; it ends with its last call. Knows nothing of what the messages mean.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar, cast

import grpc.aio

from parley._carried import CarriedCall
from parley._duplex import duplex, first_of, joined, until_done
from parley._frames import FrameWriter
from parley.errors import ParleyError, Unavailable, from_rpc
from parley.v1.multiplex_pb2 import CallFrame, ConnectRequest
from parley.v1.multiplex_pb2_grpc import MultiplexServiceStub

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Callable

    from google.protobuf.message import Message

    from parley.v1.multiplex_pb2 import ConnectResponse, ServerLoad
    from parley.v1.multiplex_pb2_grpc import MultiplexServiceAsyncStub

Request = TypeVar("Request", bound="Message")
Response = TypeVar("Response")

# Well below the age at which servers have callers connect anew.
_OLD_SECONDS: Final = 600.0


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
        self.load: tuple[float, ServerLoad] | None = None
        """How much the server has said last that it has to do, and when, loop time; None: it has not."""
        self.calls_since: float | None = None
        """Since when it has had calls, loop time; None: it has none. One that it has ended is none, read or not."""
        self._running = 0

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
            current = self._current = _Carrier(self._stub, self._hop, _now(), self._told, self._count)
            if self._tasks is not None:
                self._tasks.create_task(current.run(), name=f"{self._hop} calls")
        await current.answered.wait()
        return current

    def _told(self, load: ServerLoad) -> None:
        self.load = _now(), load

    def _count(self, calls: int) -> None:
        had, self._running = self._running, self._running + calls
        if not had or not self._running:
            self.calls_since = _now() if self._running else None

    def _is_usable(self, carrier: _Carrier) -> bool:
        return not carrier.is_over and _now() - carrier.began_seconds < self._old_seconds


class _Carrier:
    """One stream, and the calls that it carries."""

    def __init__(
        self,
        stub: MultiplexServiceAsyncStub,
        hop: str,
        now_seconds: float,
        told: Callable[[ServerLoad], None],
        count: Callable[[int], None],
    ) -> None:
        self.began_seconds = now_seconds
        self.answered = asyncio.Event()
        """Set once the server has answered, or will not."""
        self.is_unknown = False
        """The server does not know the protocol."""
        self._failure: ParleyError | None = None
        self._told = told
        self._count = count
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
        self._count(1)
        call.on_over = partial(self._count, -1)
        if self._failure is not None:
            call.finish(_again(self._failure))
        return call

    def leave(self, call: CarriedCall[Response]) -> None:
        del self._calls[call.number]
        call.on_room = None
        if not call.is_over:
            self._frames.put(CallFrame(call=call.number, cancel=True))
            call.finish(None)
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
                frames = cast("ConnectResponse", response).frames
                for frame in frames:
                    call = self._calls.get(frame.call)
                    if call is not None:
                        call.take(frame)
                    elif frame.HasField("load"):
                        self._told(frame.load)
                    elif frame.HasField("read"):
                        self._frames.was_read(frame.read)
                if frames:
                    self._frames.read()
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


def _again(failure: ParleyError) -> ParleyError:
    """The same failure for another call: an exception keeps the frames that it went through."""
    fresh = type(failure)(str(failure), field=failure.field, retry_after_ms=failure.retry_after_ms)
    fresh.told, fresh.__cause__ = failure.told, failure.__cause__
    return fresh


def _now() -> float:
    return asyncio.get_running_loop().time()
