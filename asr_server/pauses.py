"""The pauses of one stream: at each its words so far are transcribed, and how it sounds is judged, both at once.

So they can say how long to wait, the words serve as a partial, and are there when the turn is over. Knows nothing of
silence.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from asr_server.endpointing.turn_model import together
from parley.errors import ParleyError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from numpy.typing import NDArray

    from asr_server.endpointing.completeness import Completeness
    from asr_server.endpointing.turn_model import Heard
    from asr_server.scheduler import Result
    from asr_server.transcriber import Transcriber


@dataclass(slots=True, eq=False)
class Pause:
    """A pause of which words and sound are being looked at, or are known."""

    speech_end_sample: int
    """Sample after the last voiced one."""
    result: asyncio.Future[Result | ParleyError]
    """The words, or why the engine failed on them."""
    text: str | None = None
    """The words; None: they are not known."""
    words: Completeness | None = None
    """How finished the words look; None: there are none, or they are not known."""
    heard: Heard | None = None
    """What the turn model makes of the sound; None: nothing, or nothing yet."""

    @property
    def looks(self) -> Completeness | None:
        """How finished the turn looks by all that is known; None: nothing is, or it has no words."""
        return None if self.text == "" else together(self.words, self.heard)


class Pauses:
    """Looks at the pauses of one stream, one at a time."""

    def __init__(
        self, tasks: asyncio.TaskGroup, transcriber: Transcriber, answer: Callable[[Pause, str | None], Awaitable[None]]
    ) -> None:
        """Work in `tasks`; `answer` takes a pause each time more is known of it, and its words if that is they."""
        self._tasks: asyncio.TaskGroup = tasks
        self._transcriber = transcriber
        self._answer = answer
        self._words: asyncio.Task[None] | None = None
        self._sound: asyncio.Task[None] | None = None
        self.current: Pause | None = None
        """The pause that lasts; None: nobody pauses."""

    def begin(self, speech_end_sample: int, audio: NDArray[np.float32], whole_samples: int) -> None:
        """Look at `audio`, the turn up to a pause that began at `speech_end_sample`.

        `whole_samples` long it will be if the pause lasts: turn models have learnt from sound that ends in so much
        silence, so that they are given it at once.
        """
        self.current = Pause(speech_end_sample, asyncio.get_running_loop().create_future())
        self._words = self._tasks.create_task(self._transcribe(self.current, audio), name="pause")
        if self._transcriber.listens:
            silent = np.pad(audio, (0, max(0, whole_samples - len(audio))))
            self._sound = self._tasks.create_task(self._listen(self.current, silent), name="turn model")

    def drop(self) -> None:
        """The speech goes on: what it was like so far is wanted no more."""
        if self.current is not None and self._words is not None:
            self._words.cancel()
        self._listen_no_more()
        self.current = None

    def end(self, speech_end_sample: int) -> Pause | None:
        """The turn is over, its last voice at `speech_end_sample`; gives the pause after it, which has its words."""
        if self.current is not None and self.current.speech_end_sample != speech_end_sample:
            self.drop()
        self._listen_no_more()
        pause, self.current = self.current, None
        return pause

    @property
    def is_open(self) -> bool:
        """Whether something was asked of the pause that has not been answered."""
        return self.current is not None and any(not task.done() for task in self._asked)

    @property
    def has_words(self) -> bool:
        """Whether there is a pause of which all is known."""
        if self.current is None or self.is_open:
            return False
        result = self.current.result
        return result.done() and not isinstance(result.result(), ParleyError)

    async def settled(self) -> None:
        """Wait until all that was asked of the pause has been answered."""
        if self.is_open:
            await asyncio.wait(self._asked)

    @property
    def _asked(self) -> list[asyncio.Task[None]]:
        return [task for task in (self._words, self._sound) if task is not None]

    def _listen_no_more(self) -> None:
        # What was heard may itself be what ends the turn.
        if self._sound is not None and self._sound is not asyncio.current_task():
            self._sound.cancel()
        self._sound = None

    async def _transcribe(self, pause: Pause, audio: NDArray[np.float32]) -> None:
        result = await self._transcriber.pause(audio)
        pause.result.set_result(result)
        if not isinstance(result, ParleyError):
            heard = result.transcript
            pause.text = heard.text
            pause.words = self._transcriber.completeness(heard) if heard.text else None
            await self._answer(pause, heard.text)

    async def _listen(self, pause: Pause, audio: NDArray[np.float32]) -> None:
        pause.heard = await self._transcriber.heard(audio)
        if pause.heard is not None:
            await self._answer(pause, None)
