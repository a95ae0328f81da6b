"""What the TTS server says of a reply.

Knows nothing of messages, calls or engines.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ready:
    """The call is admitted and the voice is loaded."""

    engine: str
    """Name of the engine."""
    voice: str
    """Voice that speaks."""
    sample_rate_hz: int
    """Samples per second of the audio that follows."""


@dataclass(frozen=True, slots=True)
class Audio:
    """A run of sound."""

    pcm: bytes
    """s16le mono."""
    first_sample: int
    """Its place in the reply."""


@dataclass(frozen=True, slots=True)
class WordMark:
    """Where a word of the text sounds."""

    first_character: int
    """First character of the word in the whole text."""
    end_character: int
    """Character after its last one."""
    first_sample: int
    """Sample of the reply at which it begins."""
    estimated: bool
    """True when reckoned from the text's length."""


@dataclass(frozen=True, slots=True)
class SentenceEnd:
    """All audio of a sentence has come."""

    sentence: int
    """Its number, from 0."""
    end_character: int
    """Character after its last one."""
    end_sample: int
    """Sample after its last one."""
    queue_ms: float
    """Wait for the engine."""
    first_audio_ms: float
    """From the sentence being complete to its first audio."""
    total_ms: float
    """From the sentence being complete to its last audio."""
    cached: bool
    """The audio came from the server's cache."""


@dataclass(frozen=True, slots=True)
class Finished:
    """The whole reply has been spoken."""

    samples: int
    """Samples of the reply."""


Event = Ready | Audio | WordMark | SentenceEnd | Finished


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice that can speak."""

    name: str
    """Name for `Config`."""
    language: str
    """BCP 47."""
    description: str
    """What a person would want to know of it."""
    sample_rate_hz: int
    """Samples per second that the engine makes by itself."""


@dataclass(frozen=True, slots=True)
class Voices:
    """What can speak."""

    engine: str
    """Name of the engine."""
    voices: tuple[Voice, ...]
    """The voices, the default first."""
