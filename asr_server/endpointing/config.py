"""When the turns of a stream begin and end: the defaults, and what its session wants otherwise. Seconds of audio."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Self

from parley.errors import InvalidInput

if TYPE_CHECKING:
    from parley import asr

# Past the soft limit any pause will do.
_SOFT_SILENCE_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True)
class EndpointingConfig:
    """When turns begin and end."""

    start_threshold: float = 0.5
    """Voice probability that starts voice."""
    release_threshold: float = 0.35
    """Voice probability under which voice ends."""
    min_speech_seconds: float = 0.2
    """Voice that makes a start of speech."""
    min_speech_while_assistant_speaks_seconds: float = 0.32
    """The same while the assistant speaks."""
    pre_roll_seconds: float = 0.3
    """Sound kept from before the first voice."""
    eager_silence_seconds: float = 0.2
    """Silence after which a speculative reply may begin; 0: none is suggested."""
    finished_silence_seconds: float = 0.28
    """Silence that ends a turn whose words look finished, of a speaker who does not pause."""
    patient_silence_seconds: float = 0.66
    """The same of a speaker who does, or who is not known yet."""
    patience_limit_seconds: float = 1.2
    """The longest that is waited after words that look finished, whatever the speaker's pauses."""
    default_silence_seconds: float = 0.5
    """Silence that ends a turn where nothing is known of the words."""
    heard_over_silence_seconds: float = 0.55
    """Silence that ends a turn that a turn model hears is over; less after a question, or of who does not pause."""
    hesitant_silence_seconds: float = 0.45
    """Least silence that ends a turn whose words only lack a full stop; more of a speaker who pauses."""
    unfinished_silence_seconds: float = 1.5
    """Silence that ends a turn whose words look unfinished."""
    dictation_silence_seconds: float = 2.0
    """Silence that ends a turn in which digits are dictated."""
    soft_limit_seconds: float = 30.0
    """Speech after which the next pause ends the turn."""
    hard_limit_seconds: float = 60.0
    """Speech after which the turn ends wherever it is."""
    eager_limit_seconds: float = 10.0
    """Longest speech for which a speculative reply is worth its cost."""

    @classmethod
    def of(cls, given: asr.Endpointing, heard_over_silence_seconds: float | None = None) -> Self:
        """The defaults, and what a session wants otherwise, and what this server's turn model does.

        Raises:
            InvalidInput: a threshold outside 0 to 1, a release above the start, or limits that cannot be.
        """
        changes: dict[str, float] = {}
        if heard_over_silence_seconds is not None:
            changes["heard_over_silence_seconds"] = heard_over_silence_seconds
        for name in given.__slots__:
            value = getattr(given, name)
            if value is not None:
                changes[name.replace("_ms", "_seconds")] = value / 1000 if name.endswith("_ms") else value
        config = replace(cls(), **changes)
        if not 0 <= config.release_threshold <= config.start_threshold <= 1:
            raise InvalidInput(
                "thresholds go from 0 to 1, and release_threshold is at most start_threshold",
                field="endpointing.start_threshold",
            )
        if config.hard_limit_seconds < 1 or config.soft_limit_seconds > config.hard_limit_seconds:
            raise InvalidInput(
                "soft_limit_ms is at most hard_limit_ms, which is at least 1000", field="endpointing.soft_limit_ms"
            )
        return config

    def least_speech_seconds(self, *, assistant_speaks: bool) -> float:
        """Voice that makes a start of speech."""
        return self.min_speech_while_assistant_speaks_seconds if assistant_speaks else self.min_speech_seconds

    def end_silence_seconds(self, speech_seconds: float, wanted_seconds: float | None) -> float:
        """Silence that ends a turn of `speech_seconds` whose words want `wanted_seconds`; None: they are not known."""
        if speech_seconds >= self.soft_limit_seconds:
            return _SOFT_SILENCE_SECONDS
        return self.default_silence_seconds if wanted_seconds is None else wanted_seconds
