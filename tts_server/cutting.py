"""Cuts a reply into pieces as its text comes, and in time: nobody waits long for a writer who is slow, or stalls.

Knows nothing of voices or of gRPC.
"""

from __future__ import annotations

import asyncio
import enum
import math
from typing import TYPE_CHECKING, Final

from serving.telemetry import clock_ns
from tts_server.text.chunker import Chunker, ChunkerConfig

if TYPE_CHECKING:
    from tts_server.text.chunker import Piece

# A writer who stalls for so long has what there is spoken.
_STALL_SECONDS: Final = 0.3
# Who writes a sentence at once has it spoken as one; who has not done so by then is cut short, as for slow voices.
_HURRY_SECONDS: Final = 0.1
# What is cut at once before others have their turn: a message may bring a hundred times as much.
_CUT_AT_ONCE: Final = 500


class End(enum.Enum):
    """The text is complete."""

    END = enum.auto()


async def cut(
    deltas: asyncio.Queue[str | End | None], pieces: asyncio.Queue[tuple[Piece, int] | End], *, whole: bool
) -> None:
    """Put pieces of the text, with the time when each was complete in Unix nanoseconds, then an end.

    None among the deltas: all so far is to be spoken. `whole`: the first piece may be a whole sentence.
    """
    chunker, ended = Chunker(ChunkerConfig(first_words=0) if whole else None), False
    loop = asyncio.get_running_loop()
    hurry_at, news_at = math.inf, loop.time()
    while not ended:
        stall_at = news_at + _STALL_SECONDS if chunker.waiting else math.inf
        wake_at = min(stall_at, hurry_at)
        ready: list[Piece] = []
        try:
            async with asyncio.timeout_at(None if math.isinf(wake_at) else wake_at):
                delta = await deltas.get()
        except TimeoutError:
            if stall_at <= hurry_at:
                news_at, ready = loop.time(), chunker.pause()
        else:
            news_at = loop.time()
            ended = isinstance(delta, End)
            ready = await _add(chunker, delta) if isinstance(delta, str) else chunker.flush()
        if whole and math.isinf(hurry_at) and chunker.waiting.strip():
            hurry_at = loop.time() + _HURRY_SECONDS
        if loop.time() >= hurry_at:
            whole, hurry_at = False, math.inf
            ready += chunker.hurry()
        now = clock_ns()
        for piece in ready:
            await pieces.put((piece, now))
    await pieces.put(End.END)


async def _add(chunker: Chunker, delta: str) -> list[Piece]:
    """The pieces that are complete with `delta`; others have their turn meanwhile, however long it is."""
    ready = chunker.add(delta[:_CUT_AT_ONCE])
    for start in range(_CUT_AT_ONCE, len(delta), _CUT_AT_ONCE):
        await asyncio.sleep(0)
        ready += chunker.add(delta[start : start + _CUT_AT_ONCE])
    return ready
