"""What Whisper is asked, and what it answers with: a window of sound, a text, and how much of it can be believed."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from asr_server.hallucination_filter import loops

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from asr_server.engine import Word

# Above this the model thinks that nobody speaks; believed when it is unsure of its words as well.
_NO_SPEECH: Final = 0.6
_UNSURE_LOG_PROBABILITY: Final = -1.0
# Text that gzip makes so much smaller repeats itself (the value of OpenAI's reference implementation).
_MOST_COMPRESSION: Final = 2.4


@dataclass(frozen=True, slots=True)
class Sound:
    """A window that is to be transcribed."""

    audio: NDArray[np.float32]
    """Of shape (samples,) at 16 kHz, at most 30 s."""
    language: str
    """Its language, BCP 47; empty: to be found out."""
    likely: str = ""
    """Language where what is found out is too unsure; empty: what is found out all the same."""
    before: str = ""
    """What was said before, or might have been: its style is gone on with."""
    hints: str = ""
    """Words to expect."""
    thorough: bool = True
    """Search for the best of several texts."""
    context_seconds: float = 30.0
    """Sound that the encoder is given at least, silence after it included; the model was trained on 30 s."""
    timed: bool = False
    """Say where each word sounds."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What was heard in a window."""

    text: str
    """The text as the model writes it."""
    words: tuple[Word, ...]
    """Where each word sounds in the window, its text with the space before it; empty unless asked for."""
    log_probability: float
    """Mean of the tokens."""
    no_speech: float
    """Probability that nobody speaks, 0 to 1."""
    language: str
    """The language that it was taken for, BCP 47."""
    language_confidence: float | None = None
    """Probability of that language, 0 to 1; None: it was given."""

    @property
    def is_trusted(self) -> bool:
        """False for what Whisper makes up: words over silence that it is unsure of, and text that repeats itself."""
        unsure = self.log_probability < _UNSURE_LOG_PROBABILITY and self.no_speech > _NO_SPEECH
        return not unsure and _compression(self.text) <= _MOST_COMPRESSION and not loops(self.text)


def _compression(text: str) -> float:
    """How many times smaller the text becomes."""
    plain = text.encode()
    return len(plain) / len(zlib.compress(plain))
