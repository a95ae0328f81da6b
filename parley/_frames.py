"""What the two ends of a multiplexed stream have in common: frames on their way, and credit for messages of a call.

Knows nothing of what the messages mean.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from parley.v1.multiplex_pb2 import CallFrame

CREDIT: Final = 16
"""Messages of a call that each side may send before the other one has taken any, as the protocol says."""

FRAME_BYTES: Final = 1024
"""How much longer than the longest message of a call a message of the stream may be."""

# Frames that go together when they have waited together: far below what a server takes as one message.
_BATCH_BYTES: Final = 48 * 1024


class FrameQueue:
    """Frames on their way to one stream. Those that wait when it can take something go together, in one message.

    It is bounded by the credit of its calls.
    """

    def __init__(self) -> None:
        """Begin empty."""
        self._waiting: list[CallFrame] = []
        self._news = asyncio.Event()
        self._closed = False

    def put(self, frame: CallFrame) -> None:
        """Send a frame after all that were put before."""
        self._waiting.append(frame)
        self._news.set()

    def close(self) -> None:
        """Take no more: what was put is still sent."""
        self._closed = True
        self._news.set()

    async def batches(self) -> AsyncGenerator[list[CallFrame], None]:
        """What goes together, as long as there is something to come; the next is made when it can be sent."""
        while self._waiting or not self._closed:
            if not self._waiting:
                self._news.clear()
                await self._news.wait()
                continue
            frames, size = self._waiting, 0
            for count, frame in enumerate(frames):
                size += frame.ByteSize()
                if size > _BATCH_BYTES and count:
                    frames, self._waiting = frames[:count], frames[count:]
                    break
            else:
                self._waiting = []
            yield frames


class Allowance:
    """How many messages of a call may still be sent."""

    def __init__(self) -> None:
        """As many as the protocol begins with."""
        self._left = CREDIT
        self._more = asyncio.Event()

    async def spend(self) -> None:
        """Wait until a message may be sent, and count it."""
        while not self._left:
            self._more.clear()
            await self._more.wait()
        self._left -= 1

    def add(self, messages: int) -> None:
        """The other side has taken so many."""
        self._left += messages
        self._more.set()


class Consumption:
    """Counts the messages of a call that were taken, and says when the other side is to be given credit for them."""

    def __init__(self) -> None:
        """None were taken."""
        self._taken = 0

    def take(self) -> int:
        """A message was taken; gives the credit that is due, which is mostly none."""
        self._taken += 1
        if self._taken < CREDIT // 2:
            return 0
        due, self._taken = self._taken, 0
        return due
