"""What the two ends of a multiplexed stream have in common: frames on their way, and credit for messages of a call.

Knows nothing of what the messages mean.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import grpc
import grpc.aio

from parley._flag import Flag
from parley._steps import after
from parley.v1.multiplex_pb2 import CallFrame

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    from parley._steps import Waited

CREDIT: Final = 16
"""What each side of a call may send before the other one has taken any, as the protocol says."""

_CREDIT_BYTES: Final = 4096

KEPT_CREDIT: Final = 6
"""What a caller may keep of the credit for long messages, and be sent more all the same.

The sound of a reply waits for its listener at the caller: after its first second .8 s at most, in chunks of .2 s, and
1.2 without this.
"""

FRAME_BYTES: Final = 1024
"""How much longer than the longest message of a call a message of the stream may be."""

# Frames that go together when they have waited together: below the longest message of a call, which everybody takes.
_BATCH_BYTES: Final = 48 * 1024

LARGE_BATCH_BYTES: Final = 192 * 1024
"""The same of a server, to a caller that says what it reads: the sound of a reply runs ahead of its listener."""

# Messages that the other side may have to read yet. Each takes it two turns of its loop, one after the other: ten
# milliseconds and more where a hundred sessions fill a core. So messages without bound waited for seconds there, whose
# frames could have gone together.
_MOST_UNREAD: Final = 8
# Messages read of which the other side is told soon, and at once.
_READ_SOON: Final = 4
_READ_NOW: Final = 6

# How long a frame that nobody waits for is kept for company: as long as a packet of the microphone.
_LATER_SECONDS: Final = 0.02


class FrameWriter:
    """Frames on their way to one stream: sent at once while little is on its way, and else together when it went.

    On its way is what is being written, and what the other side has not read where there is much of it. A message
    costs more than what is in it, so those that can wait go with the next one that cannot. Those of one call keep
    their order. Where not all that wait go together, each call has its turn: one that has much to say holds up no
    other. It is bounded by the credit of its calls.
    """

    def __init__(
        self, write: Callable[[list[CallFrame]], Coroutine[Any, Any, object]], large_batch_bytes: int = _BATCH_BYTES
    ) -> None:
        """`write` sends frames as one message; it waits until the stream can take another one.

        `large_batch_bytes` may go as one to who says what it reads.
        """
        self._write = write
        self._large_batch_bytes = large_batch_bytes
        self._waiting: list[CallFrame] = []
        self._bytes = 0
        """Size of those that wait."""
        self._is_open = self._is_busy = False
        self._is_urgent = False
        """Among those that wait is one that cannot."""
        self._unread = 0
        """Messages that were sent, and that the other side has not read, as far as it says so."""
        self._says_what_it_reads = False
        self._untold = 0
        """Messages of the other side that were read, and that it was not told of."""
        self._later: asyncio.TimerHandle | None = None
        self._calm = asyncio.Event()
        self._calm.set()

    def open(self) -> None:
        """The stream takes messages from now on."""
        self._is_open = True
        self._go_on()

    @property
    def is_idle(self) -> bool:
        """A frame that is put now goes now."""
        return self._is_open and not self._is_busy and not self._is_held_up

    def put(self, *frames: CallFrame) -> None:
        """Send frames, together if they are not much, and after all of their call that were put before."""
        self._keep(frames)
        self._is_urgent = True
        self._go_on()

    def put_later(self, frame: CallFrame) -> None:
        """Send a frame with the next ones that are put, or else in 20 ms."""
        self._keep((frame,))
        self._go_on_later()

    def read(self) -> None:
        """A message of the other side was read."""
        self._untold += 1
        if self._untold >= _READ_NOW:
            self._go_on()
        elif self._untold >= _READ_SOON:
            self._go_on_later()

    def was_read(self, messages: int) -> None:
        """The other side has read so many more messages."""
        self._unread -= messages
        self._says_what_it_reads = True
        if self._is_urgent:
            self._go_on()

    async def drained(self) -> None:
        """Return when all that was put was sent, or the stream is over."""
        self._says_what_it_reads = False
        # What nobody waits for does not go by itself when the message before it has gone.
        self._is_urgent = bool(self._waiting)
        self._go_on()
        await self._calm.wait()

    def close(self) -> None:
        """The stream is over: nothing more is sent."""
        self._is_open = False
        self._waiting.clear()
        if self._later is not None:
            self._later.cancel()
        if not self._is_busy:
            self._calm.set()

    @property
    def _is_held_up(self) -> bool:
        return self._says_what_it_reads and self._unread >= _MOST_UNREAD

    def _keep(self, frames: Iterable[CallFrame]) -> None:
        self._waiting += frames
        for frame in frames:
            self._bytes += frame.ByteSize()

    def _go_on_later(self) -> None:
        if self._later is None:
            self._later = asyncio.get_running_loop().call_later(_LATER_SECONDS, self._time_is_up)

    def _time_is_up(self) -> None:
        self._later = None
        self._is_urgent = True
        self._go_on()

    def _go_on(self) -> None:
        # Of what was read the other side is told in any case: each might wait for the other to say so.
        must_tell = self._untold >= _READ_SOON
        if self._is_busy or not self._is_open or not (must_tell or (self._waiting and not self._is_held_up)):
            return
        self._is_busy = True
        self._calm.clear()
        # Begun here and now: a task would begin a turn of the loop later.
        self._unread += 1
        frames = self._batch()
        if self._untold:
            frames.append(CallFrame(read=self._untold))
            self._untold = 0
        self._step(self._write(frames))

    def _batch(self) -> list[CallFrame]:
        frames, self._waiting = self._waiting, []
        total, self._bytes = self._bytes, 0
        self._is_urgent = False
        most = self._large_batch_bytes if self._says_what_it_reads else _BATCH_BYTES
        if total <= most:
            return frames
        frames, size = _in_turn(frames), 0
        for count, frame in enumerate(frames):
            if count and size + frame.ByteSize() > most:
                self._waiting, self._bytes, self._is_urgent = frames[count:], total - size, True
                return frames[:count]
            size += frame.ByteSize()
        return frames

    def _step(self, sending: Coroutine[Any, Any, object], _: object = None) -> None:
        """Carry a write on until it has to wait; a write that fails is one of a stream that is over."""
        try:
            waited: Waited = sending.send(None)
        except StopIteration:
            self._sent()
        except (grpc.aio.BaseError, grpc.RpcError, asyncio.InvalidStateError, asyncio.CancelledError):
            self.close()
            self._sent()
        else:
            after(waited, partial(self._step, sending))

    def _sent(self) -> None:
        self._is_busy = False
        if self._is_urgent or self._untold >= _READ_NOW:
            self._go_on()
        if not self._is_busy:
            self._calm.set()


def _in_turn(frames: list[CallFrame]) -> list[CallFrame]:
    """The first frame of each call, then the second of each, and so on."""
    places: list[tuple[int, int]] = []
    of_call: dict[int, int] = {}
    for place, frame in enumerate(frames):
        of_call[frame.call] = before = of_call.get(frame.call, -1) + 1
        places.append((before, place))
    return [frames[place] for _, place in sorted(places)]


def cost(message: bytes) -> int:
    """What a message takes of the credit: a long one more, since sound that waits takes memory, and is made in vain."""
    return 1 + len(message) // _CREDIT_BYTES


class Allowance:
    """What of a call may still be sent."""

    def __init__(self) -> None:
        """As much as the protocol begins with."""
        self.left = CREDIT
        """Below 0 after a message that took more than there was."""
        self._more = Flag()

    async def room(self) -> None:
        """Wait until a message may be sent."""
        while self.left <= 0:
            self._more.clear()
            await self._more.wait()

    def spend(self, message: bytes) -> None:
        """Count a message that is sent."""
        self.left -= cost(message)

    def add(self, credit: int) -> None:
        """The other side has taken so much."""
        self.left += credit
        self._more.set()


class Consumption:
    """Counts what of a call was taken, and says when the other side is to be given credit for it."""

    def __init__(self, keeps: int = 0) -> None:
        """Nothing was taken; of the credit of long messages `keeps` is never given back."""
        self._taken = 0
        self._keeps = keeps

    def take(self, taken: int) -> int:
        """A message that cost so much was taken; gives the credit that is due, which is mostly none."""
        kept = min(self._keeps, taken - 1)
        self._keeps -= kept
        self._taken += taken - kept
        if self._taken < CREDIT // 2:
            return 0
        due, self._taken = self._taken, 0
        return due
