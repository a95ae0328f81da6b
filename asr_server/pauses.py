"""The words up to each pause of one stream, transcribed as if the turn were over.

So they can say how long to wait, serve as a partial, and are there when the turn is over. Knows nothing of silence.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from parley.errors import ParleyError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import numpy as np
    from numpy.typing import NDArray

    from asr_server.endpointing.completeness import Completeness
    from asr_server.scheduler import Result
    from asr_server.transcriber import Transcriber


@dataclass(frozen=True, slots=True, eq=False)
class Pause:
    """A pause whose words are being transcribed, or are known."""

    speech_end_sample: int
    """Sample after the last voiced one."""
    result: asyncio.Future[Result | ParleyError]
    """The words, or why the engine failed on them."""


class Pauses:
    """Transcribes the pauses of one stream, one at a time."""

    def __init__(
        self,
        tasks: asyncio.TaskGroup,
        transcriber: Transcriber,
        answer: Callable[[Pause, str, Completeness | None], Awaitable[None]],
    ) -> None:
        """Transcribe in `tasks`; `answer` takes a pause with its words and how finished they look (None: no words)."""
        self._tasks: asyncio.TaskGroup = tasks
        self._transcriber = transcriber
        self._answer = answer
        self._task: asyncio.Task[None] | None = None
        self.current: Pause | None = None
        """The pause that lasts; None: nobody pauses."""

    def begin(self, speech_end_sample: int, audio: NDArray[np.float32]) -> None:
        """Transcribe `audio`, the turn up to a pause that began at `speech_end_sample`."""
        self.current = Pause(speech_end_sample, asyncio.get_running_loop().create_future())
        self._task = self._tasks.create_task(self._transcribe(self.current, audio), name="pause")

    def drop(self) -> None:
        """The speech goes on: its words so far are wanted no more."""
        if self.current is not None and self._task is not None:
            self._task.cancel()
        self.current = None

    def end(self, speech_end_sample: int) -> Pause | None:
        """The turn is over, its last voice at `speech_end_sample`; gives the pause after it, which has its words."""
        if self.current is not None and self.current.speech_end_sample != speech_end_sample:
            self.drop()
        pause, self.current = self.current, None
        return pause

    async def settled(self) -> None:
        """Wait until the words of the pause have been answered."""
        if self.current is not None and self._task is not None:
            await asyncio.wait([self._task])

    async def _transcribe(self, pause: Pause, audio: NDArray[np.float32]) -> None:
        result = await self._transcriber.pause(audio)
        pause.result.set_result(result)
        if isinstance(result, ParleyError):
            return
        heard = result.transcript
        looks = await self._transcriber.completeness(audio, heard) if heard.text else None
        await self._answer(pause, heard.text, looks)
