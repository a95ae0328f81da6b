"""The partial transcripts of one turn: when the next one is due, and what of it will not change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from asr_server.engine import RATE_HZ
from asr_server.stabilize import Stabilizer

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable

    import numpy as np
    from numpy.typing import NDArray

    from asr_server.stabilize import Partial
    from asr_server.transcriber import Transcriber

_FIRST_SECONDS: Final = 0.5
_NEXT_SECONDS: Final = 0.4
# While the assistant speaks, the words decide whether it goes on: they are wanted at once.
_FIRST_SECONDS_DURING_A_REPLY: Final = 0.0
_NEXT_SECONDS_DURING_A_REPLY: Final = 0.15
# Of the time between partials the engine works at most a quarter.
_REST: Final = 4.0


class TurnPartials:
    """The partials of one turn, made one at a time."""

    def __init__(self, tasks: asyncio.TaskGroup, transcriber: Transcriber, onset: int) -> None:
        """Transcribe in `tasks`; the turn's first voice is at the sample `onset`."""
        self._tasks: asyncio.TaskGroup = tasks
        self._transcriber = transcriber
        self._stabilizer = Stabilizer()
        self._task: asyncio.Task[None] | None = None
        self.begin(onset)

    def begin(self, sample: int) -> None:
        """What is said begins at `sample`: the next partial is a first one."""
        self._at = sample
        self._is_first = True

    def stabilized(self, text: str) -> Partial:
        """A hypothesis of everything said in the turn so far, with what of it will not change."""
        return self._stabilizer.add(text)

    def is_due(self, position: int, *, assistant_speaks: bool) -> bool:
        """Whether the sound up to `position` is to be transcribed."""
        if self._task is not None and not self._task.done():
            return False
        if self._is_first:
            wait = _FIRST_SECONDS_DURING_A_REPLY if assistant_speaks else _FIRST_SECONDS
        else:
            # Each transcribes the turn from its beginning: long ones come less often, so that they cost no more.
            next_seconds = _NEXT_SECONDS_DURING_A_REPLY if assistant_speaks else _NEXT_SECONDS
            wait = max(next_seconds, _REST * self._transcriber.partial_seconds)
        return (position - self._at) / RATE_HZ >= wait

    def make(self, position: int, audio: NDArray[np.float32], answer: Callable[[str], Awaitable[None]]) -> None:
        """Transcribe `audio`, the turn up to `position`; `answer` takes the words, if there are any."""
        self._at, self._is_first = position, False
        self._task = self._tasks.create_task(self._make(audio, answer), name="partial")

    def drop(self) -> None:
        """Want the one that is being made no more."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _make(self, audio: NDArray[np.float32], answer: Callable[[str], Awaitable[None]]) -> None:
        text = await self._transcriber.partial(audio)
        if text:
            await answer(text)
