"""The seam between the ASR server and a model: an engine is loaded once and shared, a recogniser serves one stream.

Knows nothing of turns, streams or scheduling.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

RATE_HZ: Final = 16_000
"""Samples a second of all sound in this server."""

AUTO: Final = "auto"
"""Stands for a language that is to be found out, utterance by utterance."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word and where it sounds."""

    text: str
    """The word."""
    first_sample: int
    """First sample, counted from the audio's beginning."""
    end_sample: int
    """Sample after the last one."""
    confidence: float | None = None
    """How sure the model is, 0 to 1; None: it does not say."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """What a model heard."""

    text: str
    """The words; empty when there are none."""
    words: tuple[Word, ...] = ()
    """Where each word sounds; empty when the model does not say."""
    language: str = ""
    """Language that was found, BCP 47; empty: it was not looked for."""
    language_confidence: float | None = None
    """How sure that is, 0 to 1; None: it was not looked for."""


class Recognizer(Protocol):
    """Transcribes for one stream. Called on the scheduler's thread only, one call at a time."""

    def transcribe(self, audio: NDArray[np.float32], *, final: bool) -> Transcript:
        """What is said in `audio`, float32 of shape (samples,) at 16 kHz; not `final`: a rough answer will do.

        Raises:
            ParleyError: it cannot be transcribed. A library's RuntimeError, ValueError and MemoryError mean the same.
        """
        ...


@dataclass(frozen=True, slots=True)
class Job:
    """One stream's sound that is to be transcribed."""

    recognizer: Recognizer
    """The stream's."""
    audio: NDArray[np.float32]
    """Of shape (samples,) at 16 kHz."""
    final: bool
    """False: a rough answer will do."""


class Vad(Protocol):
    """Tells voice from silence, window by window, for one stream."""

    async def probabilities(self, windows: NDArray[np.float32]) -> Sequence[float]:
        """How likely each of the next windows, float32 of shape (windows, 512) at 16 kHz, holds voice, 0 to 1.

        It may wait for windows of other streams, so as to look at all at once, for one turn of the event loop.
        """
        ...

    def take_back(self) -> None:
        """Be as before the last windows: they come again, otherwise."""
        ...


class Engine(Protocol):
    """A model, shared by all streams."""

    name: str
    """Name of the engine."""
    model: str
    """Name of the model."""
    languages: tuple[str, ...]
    """BCP 47 languages that it transcribes, the default first; among them `AUTO` where it can find the language out."""

    def load(self) -> None:
        """Load the model and warm it up; blocks.

        Raises:
            Unavailable: a package or model file is missing; the message names the remedy.
        """
        ...

    def recognizer(self, language: str, hints: tuple[str, ...]) -> Recognizer:
        """What transcribes one stream."""
        ...

    def vad(self) -> Vad:
        """What finds the voice of one stream."""
        ...


@runtime_checkable
class Batching(Protocol):
    """An engine that transcribes for several streams at once."""

    @property
    def most(self) -> int:
        """Streams at once, at most; known when it is loaded."""
        ...

    def transcribe_together(self, jobs: Sequence[Job]) -> Sequence[Transcript | Exception]:
        """An answer to each job, of recognisers of its own, all different; what one fails with fails no other."""
        ...
