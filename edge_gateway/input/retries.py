"""How a session comes back to an ASR server that failed: how soon, and with which sound no more."""

from __future__ import annotations

import asyncio
from typing import Final

_FIRST_SECONDS: Final = 0.25
_SLOWEST_SECONDS: Final = 2.0
# Sound that breaks as many streams is given up: it would break the next one too.
_MOST_HEARINGS: Final = 3


class Retries:
    """The failures of one session's recognition in a row."""

    def __init__(self) -> None:
        """Nothing has failed."""
        self.failing = False
        """The listener has been told of a failure that is not mended."""
        self._seconds = _FIRST_SECONDS
        self._is_elsewhere = False
        self._hearings = (0, 0)
        """Where the last stream that broke had begun, and how many had begun there."""

    def works(self) -> None:
        """The server takes sound again, and not only calls."""
        self.failing, self._seconds, self._is_elsewhere = False, _FIRST_SECONDS, False

    def at_once(self) -> None:
        """The next try is no repetition."""
        self._seconds = 0.0

    def elsewhere(self, *, possible: bool) -> bool:
        """Whether to try another server at once, before anybody is told: once, and where that is possible."""
        if not possible or self._is_elsewhere:
            return False
        self._is_elsewhere = True
        self.at_once()
        return True

    async def pause(self) -> None:
        """Wait before the next try; longer each time."""
        seconds = self._seconds
        self._seconds = min(2 * seconds or _FIRST_SECONDS, _SLOWEST_SECONDS)
        await asyncio.sleep(seconds)

    def broke(self, began_sample: int, first_sample: int) -> bool:
        """A stream that took sound has broken; True when what it heard is to be left out from now on.

        It began at `began_sample`, and nothing before `first_sample` is left to be heard.
        """
        at, hearings = self._hearings
        hearings = hearings + 1 if at == began_sample == first_sample else 1
        self._hearings = (first_sample, hearings) if hearings < _MOST_HEARINGS else (0, 0)
        return hearings >= _MOST_HEARINGS
