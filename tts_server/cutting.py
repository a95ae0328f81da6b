"""Cuts a reply into pieces as its text comes, and in time: nobody waits long for a writer who is slow, or stalls.

Knows nothing of voices or of gRPC.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from typing import TYPE_CHECKING, Final, Self

from serving.telemetry import clock_ns
from tts_server.text.chunker import Chunker, ChunkerConfig

if TYPE_CHECKING:
    from types import TracebackType

    from tts_server.text.chunker import Piece

# A writer who stalls for so long has what there is spoken.
_STALL_SECONDS: Final = 0.3
# Who writes a sentence at once has it spoken as one; who has not done so by then is cut short, as for slow voices.
_HURRY_SECONDS: Final = 0.1
# What is cut at once before others have their turn: a message may bring a hundred times as much.
_CUT_AT_ONCE: Final = 500
# Pieces that wait to be spoken; more hold the writer back.
_MOST_PIECES: Final = 16


class Cutter:
    """Cuts the text of one reply; a block for as long as it is spoken."""

    def __init__(self, *, whole: bool) -> None:
        """Begin; `whole`: the first piece may be a whole sentence."""
        self._chunker = Chunker(ChunkerConfig(first_words=0) if whole else None)
        self._whole = whole
        self._loop = asyncio.get_running_loop()
        self._news_at, self._hurry_at = self._loop.time(), math.inf
        self._timer: asyncio.TimerHandle | None = None
        self._pieces: deque[tuple[Piece, int]] = deque()
        self._is_complete = False
        self._changed, self._room = asyncio.Event(), asyncio.Event()

    def __enter__(self) -> Self:
        """Cut."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for no writer any more."""
        self._stop_timer()

    async def add(self, text: str | None) -> None:
        """Take the next piece of text, as long as it may be; None: all so far is to be spoken."""
        self._news_at = self._loop.time()
        if text is None:
            self._put(self._chunker.flush())
        else:
            self._put(self._chunker.add(text[:_CUT_AT_ONCE]))
            for start in range(_CUT_AT_ONCE, len(text), _CUT_AT_ONCE):
                await asyncio.sleep(0)
                self._put(self._chunker.add(text[start : start + _CUT_AT_ONCE]))
        self._look()
        while len(self._pieces) >= _MOST_PIECES:
            self._room.clear()
            await self._room.wait()

    def end(self) -> None:
        """The text is complete."""
        self._put(self._chunker.flush())
        self._is_complete = True
        self._changed.set()
        self._stop_timer()

    async def next(self) -> tuple[Piece, int] | None:
        """The next piece, with the time when it was complete in Unix nanoseconds; None: there is no more."""
        while not self._pieces:
            if self._is_complete:
                return None
            self._changed.clear()
            await self._changed.wait()
        self._room.set()
        return self._pieces.popleft()

    def _put(self, pieces: list[Piece]) -> None:
        if pieces:
            now = clock_ns()
            self._pieces += [(piece, now) for piece in pieces]
            self._changed.set()

    def _look(self) -> None:
        """Cut what is not to wait any longer, and come back when there may be more of that."""
        now = self._loop.time()
        if self._stall_at <= min(now, self._hurry_at):
            self._news_at = now
            self._put(self._chunker.pause())
        if self._whole and math.isinf(self._hurry_at) and self._chunker.waiting.strip():
            self._hurry_at = now + _HURRY_SECONDS
        if now >= self._hurry_at:
            self._whole, self._hurry_at = False, math.inf
            self._put(self._chunker.hurry())
        self._set_timer()

    @property
    def _stall_at(self) -> float:
        return self._news_at + _STALL_SECONDS if self._chunker.waiting else math.inf

    def _set_timer(self) -> None:
        # One that is early only looks, so that not each word sets a new one.
        at = min(self._stall_at, self._hurry_at)
        if not math.isinf(at) and (self._timer is None or self._timer.when() > at):
            self._stop_timer()
            self._timer = self._loop.call_at(at, self._time_is_up)

    def _time_is_up(self) -> None:
        self._timer = None
        self._look()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
