"""What a reply may change or begin in its session, and what the session is like.

Knows nothing of messages, calls or models.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SPEEDS: Final = (0.5, 2.0)
"""How fast a voice may speak; 1 is usual."""
GAINS_DB: Final = (-20.0, 12.0)
"""How much louder than usual it may speak, in decibels."""
MOST_REMINDERS: Final = 32
"""Reminders that a session may have at once."""
LONGEST_REMINDER_SECONDS: Final = 24 * 3600.0
"""How far away a reminder may be."""
LONGEST_REMINDER_TEXT: Final = 500
"""Characters that a reminder may say."""
LONGEST_REMINDER_LABEL: Final = 100
"""Characters that it may be called."""


@dataclass(frozen=True, slots=True)
class Reminder:
    """Something that the assistant will say at a time."""

    id: str
    """Name of the reminder in its session."""
    label: str
    """What it is called, in the user's words."""
    text: str
    """What will be said."""
    due_in_ms: int
    """Milliseconds until then; 0 or less: it waits for a pause in the conversation."""


@dataclass(frozen=True, slots=True)
class SessionState:
    """What a session is like, where each `SessionAction` is carried out."""

    speed: float = 1.0
    """How fast the assistant speaks."""
    gain_db: float = 0.0
    """How much louder than usual it speaks, in decibels."""
    reminders: tuple[Reminder, ...] = ()
    """What it is to be reminded of, the next one first."""


@dataclass(frozen=True, slots=True)
class SetSpeed:
    """Speak at this speed, from the next sentence on."""

    speed: float
    """0.5 to 2; what is beyond is brought to the nearer end."""


@dataclass(frozen=True, slots=True)
class SetGain:
    """Speak this loud, from the next sentence on."""

    gain_db: float
    """-20 to 12 decibels; what is beyond is brought to the nearer end."""


@dataclass(frozen=True, slots=True)
class SetReminder:
    """Say something later, as soon as nobody else speaks."""

    text: str
    """What is to be said, 1 to 500 characters."""
    label: str = ""
    """What it is called, in the user's words; at most 100 characters."""
    after_ms: int | None = None
    """When, in milliseconds from now; None: `at_unix_ms` says it. At most 24 hours."""
    at_unix_ms: int | None = None
    """When, in milliseconds since the Unix epoch; None: `after_ms` says it. Neither: at once."""


@dataclass(frozen=True, slots=True)
class CancelReminders:
    """Forget reminders."""

    ids: tuple[str, ...]
    """Their names, as in `SessionState`; one that is not known is ignored."""


SessionAction = SetSpeed | SetGain | SetReminder | CancelReminders
"""What a reply changes or begins in its session."""


def within(value: float, ends: tuple[float, float]) -> float:
    """`value`, or the nearer of `ends`; what is no number is the first of them."""
    return max(ends[0], min(value, ends[1]))
