"""What a client says to the ASR server.

Enums have the wire's numbers, which a test holds them to. Knows nothing of messages, calls or models.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field


class Assistant(enum.Enum):
    """What the assistant is doing, since thresholds differ while it speaks."""

    IDLE = 1
    THINKING = 2
    SPEAKING = 3


@dataclass(frozen=True, slots=True)
class Endpointing:
    """When turns begin and end; None keeps the server's default. Meanings: `EndpointingConfig` in asr.proto."""

    start_threshold: float | None = None
    """Voice probability that starts voice, 0 to 1."""
    release_threshold: float | None = None
    """Voice probability under which voice ends, 0 to 1."""
    min_speech_ms: int | None = None
    """Voiced milliseconds that make a start of speech."""
    min_speech_while_assistant_speaks_ms: int | None = None
    """The same while the assistant speaks."""
    pre_roll_ms: int | None = None
    """Milliseconds of sound kept from before the first voice."""
    eager_silence_ms: int | None = None
    """Silence after which a head start may begin; 0 turns head starts off."""
    finished_silence_ms: int | None = None
    """Silence that ends a turn whose words look finished."""
    default_silence_ms: int | None = None
    """Silence that ends a turn where nothing is known of the words."""
    hesitant_silence_ms: int | None = None
    """Least silence that ends a turn whose words only lack a full stop."""
    unfinished_silence_ms: int | None = None
    """Silence that ends a turn whose words look unfinished."""
    dictation_silence_ms: int | None = None
    """Silence that ends a turn in which digits are dictated."""
    soft_limit_ms: int | None = None
    """Speech after which the next pause ends the turn."""
    hard_limit_ms: int | None = None
    """Speech after which the turn ends wherever it is."""
    eager_limit_ms: int | None = None
    """Longest speech for which a head start is worth its cost."""
    patient_silence_ms: int | None = None
    """Silence that ends a finished turn of a speaker who pauses, or is not known yet."""
    patience_limit_ms: int | None = None
    """Longest silence that is waited after words that look finished."""


@dataclass(frozen=True, slots=True)
class Config:
    """How a session is to be transcribed."""

    language: str = ""
    """BCP 47; empty: the engine's first language; "auto": the engine finds it out."""
    hints: tuple[str, ...] = ()
    """Words and names to expect."""
    endpointing: Endpointing = field(default_factory=Endpointing)
    """When turns begin and end."""
    partials: bool = True
    """Whether partials are wanted."""
    session_id: str = ""
    """Name for the server's logs."""
    first_sample: int = 0
    """Sample of the session's clock at which this stream begins."""
    first_turn: int = 1
    """Number of the first turn."""
    traceparent: str = ""
    """Trace context of the first turn."""
    sample_rate_hz: int = 16_000
    """Samples per second of the audio."""


@dataclass(frozen=True, slots=True)
class Audio:
    """A run of sound."""

    pcm: bytes
    """s16le mono at the stream's rate, best 40 ms at a time."""
    first_sample: int
    """Its place on the session's audio clock."""
    sequence: int = 0
    """Number of the chunk."""
    captured_unix_us: int = 0
    """When its first sample was captured; 0: not known."""


@dataclass(frozen=True, slots=True)
class TurnContext:
    """Trace context of a turn, sent before its speech begins."""

    turn: int
    """The turn."""
    traceparent: str
    """W3C `traceparent`."""
    previous_ignored: bool = False
    """The turn before was an echo or a backchannel: its pauses say nothing of the speaker."""


@dataclass(frozen=True, slots=True)
class Flush:
    """Finalise what was said so far."""


Request = Config | Audio | TurnContext | Flush | Assistant
