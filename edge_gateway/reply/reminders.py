"""What a session is to be reminded of, and which of it is due. Reads no clock, and says nothing by itself."""

from __future__ import annotations

from dataclasses import dataclass

from parley.errors import InvalidInput, Overloaded
from parley.llm import LONGEST_REMINDER_LABEL, LONGEST_REMINDER_SECONDS, LONGEST_REMINDER_TEXT, MOST_REMINDERS


@dataclass(frozen=True, slots=True)
class Scheduled:
    """Something that is to be said at a time."""

    id: str
    """Its name in the session."""
    label: str
    """What it is called, in the user's words."""
    text: str
    """What is to be said."""
    due_seconds: float
    """When, on the clock of whoever asks."""


class Reminders:
    """The reminders of one session. Every `now_seconds` is a reading of one clock that never goes back."""

    def __init__(self) -> None:
        """Begin with none."""
        self._known: dict[str, Scheduled] = {}
        self._count = 0

    @property
    def all(self) -> tuple[Scheduled, ...]:
        """Those that are to be said, the next one first; of two for one moment, the one that was set first."""
        return tuple(sorted(self._known.values(), key=lambda each: each.due_seconds))

    @property
    def next_at(self) -> float | None:
        """When the next one is due; None: there is none."""
        return min((each.due_seconds for each in self._known.values()), default=None)

    def add(self, text: str, label: str, due_seconds: float, now_seconds: float) -> Scheduled:
        """Remember to say `text`; a time that is past means at once.

        Raises:
            InvalidInput: it cannot be said, or is too far away.
            Overloaded: there are too many.
        """
        if not 0 < len(text.strip()) <= LONGEST_REMINDER_TEXT:
            raise InvalidInput(
                f"a reminder of {len(text.strip())} characters: 1 to {LONGEST_REMINDER_TEXT}", field="text"
            )
        if len(label) > LONGEST_REMINDER_LABEL:
            raise InvalidInput(f"a label of {len(label)} characters: at most {LONGEST_REMINDER_LABEL}", field="label")
        if due_seconds - now_seconds > LONGEST_REMINDER_SECONDS:
            hours = (due_seconds - now_seconds) / 3600
            raise InvalidInput(
                f"a reminder in {hours:.1f} hours: at most {LONGEST_REMINDER_SECONDS / 3600:g}", field="due"
            )
        if len(self._known) >= MOST_REMINDERS:
            raise Overloaded(f"{MOST_REMINDERS} reminders are set, and there can be no more: cancel one")
        self._count += 1
        added = Scheduled(str(self._count), label, text.strip(), max(due_seconds, now_seconds))
        self._known[added.id] = added
        return added

    def due(self, now_seconds: float) -> Scheduled | None:
        """The one that is to be said now; it stays until it is removed."""
        return next((each for each in self.all[:1] if each.due_seconds <= now_seconds), None)

    def remove(self, name: str) -> Scheduled | None:
        """Forget one, as it was said or is not wanted any more; None: it is not known."""
        return self._known.pop(name, None)
