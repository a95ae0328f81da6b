"""One of the calls that share a stream to a server: what it sends, what has come for it, and how it ended.

Knows nothing of the stream, nor of what the messages mean.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Final, Generic, Self, TypeVar

from google.protobuf.message import DecodeError

from parley._flag import Flag
from parley._frames import KEPT_CREDIT, Allowance, Consumption, cost
from parley.errors import EngineFailed, Overloaded, ParleyError, from_status
from parley.v1.multiplex_pb2 import CallFrame

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable

    from google.protobuf.message import Message

    from parley._frames import FrameWriter

Request = TypeVar("Request", bound="Message")
Response = TypeVar("Response")

_WITHOUT_END: Final = 1 << 30


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
        # No deque: it takes 760 bytes where it is empty.
        self._come: list[tuple[Response, int]] = []
        """Responses, and what each cost."""
        self._changed = Flag()
        self._allowance = Allowance()
        self._consumption = Consumption(KEPT_CREDIT)
        self.on_room: Callable[[], None] | None = None
        """Called when the server has given credit."""
        self.on_over: Callable[[], None] | None = None
        """Called when it is over."""

    @property
    def has_room(self) -> bool:
        """True when `push` may be called."""
        return self._allowance.left > 0

    def push(self, request: Message) -> None:
        """Send a request at once; there must be room."""
        self._send(request, self._frames.put)

    def push_later(self, request: Message) -> None:
        """Send a request that nobody waits for with the stream's next message; there must be room."""
        self._send(request, self._frames.put_later)

    def begin(self, method: str, first: Message, *, is_all: bool = False) -> None:
        """Begin it with its first request, all in one message; `is_all`: no more will follow."""
        if self.is_over:
            return
        message = self._serialized(first)
        if message is None:
            return
        self._allowance.spend(message)
        frames = [CallFrame(call=self.number, begin=method), CallFrame(call=self.number, message=message)]
        if is_all:
            frames.append(CallFrame(call=self.number, half_close=True))
        self._frames.put(*frames)

    def take(self, frame: CallFrame) -> None:
        """Something of it has come."""
        match frame.WhichOneof("frame"):
            case "message":
                try:
                    self._come.append((self._parse(frame.message), cost(frame.message)))
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
            if self.on_over is not None:
                self.on_over()

    async def write(self, requests: AsyncIterable[Request]) -> None:
        """Send all requests, each when the server can take it."""
        messages = aiter(requests)
        try:
            async for request in messages:
                await self._allowance.room()
                if self.is_over:
                    return
                self.push(request)
            self.half_close()
        finally:
            if isinstance(messages, AsyncGenerator):
                await messages.aclose()

    def half_close(self) -> None:
        """Nothing more will be sent."""
        if not self.is_over:
            self._frames.put(CallFrame(call=self.number, half_close=True))

    def _send(self, request: Message, put: Callable[[CallFrame], None]) -> None:
        if not self.is_over and (message := self._serialized(request)) is not None:
            self._allowance.spend(message)
            put(CallFrame(call=self.number, message=message))

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
        response, taken = self._come.pop(0)
        due = self._consumption.take(taken)
        if due and not self.is_over:
            self._frames.put_later(CallFrame(call=self.number, credit=due))
        return response
