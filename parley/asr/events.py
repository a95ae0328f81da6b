"""What the ASR server says of a stream.

Enums have the wire's numbers, which a test holds them to. Knows nothing of messages, calls or models.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ready:
    """The stream is admitted and the model is warm."""

    engine: str
    """Name of the engine."""
    model: str
    """Name of the model."""
    language: str
    """Language that will be transcribed."""
    ack_samples: int = 0
    """Sound received after which an `AudioAck` is due, in samples; 0: the server does not say."""


@dataclass(frozen=True, slots=True)
class VoiceOnset:
    """First voiced sound after silence; perhaps no speech."""

    turn: int
    """The turn that it would begin or go on with."""
    sample: int
    """First voiced sample."""
    decided_sample: int | None = None
    """Sample after the last one that had been looked at when this was known; None: the server does not say."""


@dataclass(frozen=True, slots=True)
class VoiceStopped:
    """Voice has fallen silent, for now."""

    turn: int
    """The turn."""
    sample: int
    """Sample after the last voiced one."""
    voiced_ms: int
    """Voiced milliseconds of the turn so far."""


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """There was enough voice to call it speech."""

    turn: int
    """Number of the turn."""
    first_sample: int
    """First voiced sample."""
    voiced_ms: int
    """Voiced milliseconds so far."""


@dataclass(frozen=True, slots=True)
class Partial:
    """What the user seems to be saying."""

    turn: int
    """The turn."""
    text: str
    """The whole text so far."""
    stable_characters: int
    """Characters at its start that will not change."""
    voiced_ms: int
    """Voiced milliseconds of the turn so far."""


@dataclass(frozen=True, slots=True)
class EagerEndOfTurn:
    """The user has probably finished."""

    turn: int
    """The turn."""
    text: str
    """The words."""
    speech_end_sample: int
    """Sample after the last voiced one."""


@dataclass(frozen=True, slots=True)
class TurnResumed:
    """The user went on after an `EagerEndOfTurn`."""

    turn: int
    """The turn."""
    sample: int
    """First sample of the new voice."""


@dataclass(frozen=True, slots=True)
class Timings:
    """How long the parts of a turn took in the ASR server."""

    endpoint_ms: float
    """Silence in the audio between the last voiced sample and the decision."""
    queue_ms: float
    """Wait for the engine."""
    transcribe_ms: float
    """The engine's own work."""
    final_ms: float
    """From the decision to the words."""
    eager: bool
    """True when the words are those of an eager end."""
    known_ms: float = 0.0
    """How long before the decision the words were known; 0: they came after it."""


class EndReason(enum.Enum):
    """Why a turn was ended."""

    UNSPECIFIED = 0
    SILENCE = 1
    FLUSH = 2
    TOO_LONG = 3
    STREAM_END = 4


@dataclass(frozen=True, slots=True)
class Word:
    """A word and where it sounds."""

    text: str
    """The word."""
    first_sample: int
    """First sample on the session's audio clock."""
    end_sample: int
    """Sample after the last one."""
    confidence: float | None = None
    """How sure the engine is, 0 to 1; None: it does not say."""


@dataclass(frozen=True, slots=True)
class EndOfTurn:
    """The words of a turn."""

    turn: int
    """The turn."""
    text: str
    """The words, never empty."""
    first_sample: int
    """First sample that the turn accounts for."""
    end_sample: int
    """Sample after the last one that it accounts for."""
    speech_end_sample: int
    """Sample after the last voiced one: where mic-to-speaker latency begins."""
    reason: EndReason
    """Why the turn was ended."""
    timings: Timings
    """How long things took."""
    voiced_ms: int
    """Voiced milliseconds of the turn."""
    words: tuple[Word, ...] = ()
    """Where each word sounds; empty when the engine does not say."""
    language: str = ""
    """Language that was heard."""
    longest_pause_ms: int = 0
    """The longest silence within the turn."""
    language_confidence: float | None = None
    """How sure the engine is of the language, 0 to 1; None: it was given."""


class DiscardReason(enum.Enum):
    """Why sound was discarded."""

    UNSPECIFIED = 0
    TOO_SHORT = 1
    NO_WORDS = 2
    NOISE = 3
    ENGINE_FAILED = 4


@dataclass(frozen=True, slots=True)
class TurnDiscarded:
    """What had begun was no turn after all."""

    turn: int
    """The turn; its number is used again."""
    reason: DiscardReason
    """Why."""
    first_sample: int
    """First sample discarded."""
    end_sample: int
    """Sample after the last one discarded."""


@dataclass(frozen=True, slots=True)
class AudioAck:
    """All sound before `end_sample` is accounted for."""

    end_sample: int
    """First sample not yet accounted for."""
    received_samples: int = 0
    """Samples received on this stream."""


Event = (
    Ready
    | VoiceOnset
    | VoiceStopped
    | SpeechStarted
    | Partial
    | EagerEndOfTurn
    | TurnResumed
    | EndOfTurn
    | TurnDiscarded
    | AudioAck
)


@dataclass(frozen=True, slots=True)
class Languages:
    """What can be transcribed, and by whom."""

    engine: str
    """Name of the engine."""
    model: str
    """Name of the model."""
    languages: tuple[str, ...]
    """BCP 47, the default first; "auto" among them where the language can be found out."""
