"""What a client says to the TTS server.

Knows nothing of messages, calls or engines.
"""

from __future__ import annotations

from dataclasses import dataclass

from parley.tts.lexicon import Pronunciation  # noqa: TC001 - read at run time, by parley._convert


@dataclass(frozen=True, slots=True)
class Config:
    """How a reply is to be spoken."""

    voice: str = ""
    """A name from `TtsClient.voices`; empty: the first of the language."""
    language: str = ""
    """BCP 47; empty: the voice's own."""
    sample_rate_hz: int = 24_000
    """Samples per second of the answer: 16000, 24000 or 48000."""
    speed: float | None = None
    """0.5 to 2; None: 1."""
    traceparent: str = ""
    """Parent of the server's spans."""
    session_id: str = ""
    """Name for the server's logs."""
    lexicon: tuple[Pronunciation, ...] = ()
    """How words are pronounced; they come before the server's own."""
    gain_db: float | None = None
    """How much louder than usual, -20 to 12 decibels; None: 0."""


@dataclass(frozen=True, slots=True)
class SpeakNow:
    """Speak what has come so far, without waiting for the end of the sentence."""


@dataclass(frozen=True, slots=True)
class Adjust:
    """Speak otherwise from the next sentence on: the first that begins after the text that came before this."""

    speed: float | None = None
    """0.5 to 2; None: as before."""
    gain_db: float | None = None
    """How much louder than usual, -20 to 12 decibels; None: as before."""


Request = str | SpeakNow | Adjust
"""A piece of text, the wish to hear what there is, or to hear what follows otherwise."""
