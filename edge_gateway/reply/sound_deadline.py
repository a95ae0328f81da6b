"""How long the TTS server may make no sound: from the first text on, and again from its end on.

While more text may come the server waits too, and while the listener's pace holds the sound up it is not to blame.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

_FIRST_SOUND_SECONDS: Final = 2.0
# From the end of the text, or from the last sound after it, to the next sound.
_NEXT_SOUND_SECONDS: Final = 3.0


class SoundDeadline:
    """A block that ends with TimeoutError when the sound stays away."""

    def __init__(self) -> None:
        """Wait for nothing yet."""
        self._timeout: asyncio.Timeout | None = None
        self._text_begun = self._text_complete = self._sounds = self._paused = False

    async def __aenter__(self) -> Self:
        """Watch from now on."""
        self._timeout = asyncio.timeout(None)
        await self._timeout.__aenter__()
        self._expect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Watch no longer.

        Raises:
            TimeoutError: in place of the cancellation with which the block was ended.
        """
        timeout, self._timeout = self._timeout, None
        if timeout is not None:
            await timeout.__aexit__(kind, value, trace)

    def text_has_begun(self) -> None:
        """There is something to speak."""
        self._text_begun = True
        self._expect()

    def text_is_complete(self) -> None:
        """Nothing more will come to be spoken."""
        self._text_complete = True
        self._expect()

    def sound_has_begun(self) -> None:
        """The first sound has come."""
        self._sounds = True

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Do not count the time of this block."""
        self._paused = True
        self._expect()
        try:
            yield
        finally:
            self._paused = False
            self._expect()

    def _expect(self) -> None:
        # Text may come in the very moment in which the time is over, and after the block too.
        if self._timeout is None or self._timeout.expired():
            return
        seconds = None
        if self._text_begun and not self._sounds:
            seconds = _FIRST_SOUND_SECONDS
        elif self._text_complete:
            seconds = _NEXT_SOUND_SECONDS
        if seconds is None or self._paused:
            self._timeout.reschedule(None)
        else:
            self._timeout.reschedule(asyncio.get_running_loop().time() + seconds)
