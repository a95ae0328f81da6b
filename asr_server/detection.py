"""What the voice detector says of one stream, window by window, though it hears all at once that have come together.

Only its own gain hangs on what it says. So it hears windows with the gains that they will have if it goes on to say
what it said last, which it mostly does; and hears them again where they have others. What it says is the same either
way: a call of Silero's network costs 35 µs and 15 more a window (`benchmarks/silero.py`). Knows nothing of turns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from asr_server.front_end.gain import for_detector

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asr_server.engine import Vad
    from asr_server.front_end.front_end import FrontEnd, Run
    from asr_server.front_end.gain import Gains


class VoiceDetection:
    """The voice detector of one stream, and the sound that it hears."""

    def __init__(self, front_end: FrontEnd, vad: Vad) -> None:
        """Have `vad` hear what comes to `front_end`."""
        self._front_end = front_end
        self._vad = vad
        self._run: Run | None = None
        self._place = 0
        """Of the next window in the run."""
        self._gains: list[Gains] = []
        """With which the windows of the run were heard."""
        self._said: Sequence[float] = ()

    async def probability(self) -> float | None:
        """How likely the next window holds voice, which is 0 where nobody listens; None: no more window is whole.

        Before the next call the front end is to learn what came of it.
        """
        run, place = self._run, self._place
        if run is None:
            run, place = self._front_end.run(), 0
            if run is None:
                return None
        self._place = place + 1
        self._run = run if self._place < run.length else None
        gains = self._front_end.go_on(run, place)
        if run.windows is None:
            return 0.0
        if place == 0:
            await self._hear(run, [gains, *self._front_end.ahead(run, 1)])
        elif gains != self._gains[place]:
            self._vad.take_back()
            await self._hear(run, [*self._gains[:place], gains, *self._front_end.ahead(run, place + 1)])
        return self._said[place]

    async def _hear(self, run: Run, gains: list[Gains]) -> None:
        assert run.windows is not None  # noqa: S101 - the caller has looked
        self._gains = gains
        self._said = await self._vad.probabilities(for_detector(run.windows, gains))
