"""Takes off the silence before the first sound of a reply: a listener waits for it like for anything else.

Engines begin with the silence of a closed mouth, as before a "t", or with some of a model's own.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from parley.audio import SAMPLE_BYTES
from tts_server.engine import Audio, WordMark
from tts_server.synthesizer import Begun

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tts_server.synthesizer import SynthesisEvent

_QUIET: Final = 32
"""No sample of silence is further from zero: 60 dB below the loudest that there can be."""
_FRAME_SECONDS: Final = 0.004
_LONGEST_SECONDS: Final = 0.25
"""Silence that lasts longer is meant."""


async def from_first_sound(events: AsyncIterator[SynthesisEvent], sample_rate_hz: int) -> AsyncIterator[SynthesisEvent]:
    """The same sound without the silence before it, and its marks where the words then are."""
    onset, marks = _Onset(sample_rate_hz), list[WordMark]()
    async for event in events:
        if isinstance(event, WordMark):
            marks.append(event)
        heard = onset.push(event.pcm) if isinstance(event, Audio) else b""
        if onset.found:
            for mark in marks:
                yield onset.moved(mark)
            marks.clear()
        if isinstance(event, Begun):
            yield event
        elif heard:
            yield Audio(heard)
    for mark in marks:
        yield mark
    if rest := onset.finish():
        yield Audio(rest)


class _Onset:
    """The beginning of a sound, until it is heard."""

    def __init__(self, sample_rate_hz: int) -> None:
        self.found = False
        self._taken_off = 0
        self._frame = round(_FRAME_SECONDS * sample_rate_hz)
        self._longest = round(_LONGEST_SECONDS * sample_rate_hz)
        self._waiting = bytearray()

    def push(self, pcm: bytes) -> bytes:
        """What is to be heard of this piece and those before it; nothing while all is silent."""
        if self.found:
            return pcm
        self._waiting += pcm
        loud = np.flatnonzero(np.abs(np.frombuffer(self._waiting, dtype="<i2").astype(np.int32)) > _QUIET)
        silent = int(loud[0]) if len(loud) else len(self._waiting) // SAMPLE_BYTES
        if not len(loud) and silent <= self._longest:
            return b""
        self.found = True
        self._taken_off = silent // self._frame * self._frame if silent <= self._longest else 0
        return self.finish()[self._taken_off * SAMPLE_BYTES :]

    def moved(self, mark: WordMark) -> WordMark:
        """The mark in what is to be heard."""
        return replace(mark, sample=max(0, mark.sample - self._taken_off)) if self._taken_off else mark

    def finish(self) -> bytes:
        """What has been held back: all of it, where no sound came."""
        rest, self._waiting = bytes(self._waiting), bytearray()
        return rest
