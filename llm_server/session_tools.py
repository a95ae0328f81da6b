"""Functions with which a model changes or begins something in its session: how it is spoken, and reminders.

What a function does is a session action, which the caller carries out; here the arguments are checked, and the model is
told what will be. A function that fails tells the model which value was wrong, and what would be right.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from parley import llm

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_LONGEST_SECONDS: Final = llm.LONGEST_REMINDER_SECONDS
_LASTS: Final = "It is kept only as long as this conversation lasts."


class ToolFailed(Exception):
    """A function has no result; the message is for the model."""


class SessionDesk:
    """What one reply does to its session, and how the session is after that."""

    def __init__(
        self, session: llm.SessionState | None, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        """Begin with `session` as it is; None: nothing can be done to it. `now` tells the time, with a zone."""
        self.session = session or llm.SessionState()
        self._now = now
        self._done: list[llm.SessionAction] = []

    def actions(self) -> tuple[llm.SessionAction, ...]:
        """What is to be carried out since this was asked last."""
        done, self._done = tuple(self._done), []
        return done

    def set_speaking_rate(self, given: Mapping[str, object]) -> str:
        """Speak faster or slower."""
        rate, before = _number(given, "rate", llm.SPEEDS), self.session.speed
        self.session = replace(self.session, speed=rate)
        self._done.append(llm.SetSpeed(rate))
        return f"The speaking rate is {rate:g}, it was {before:g}. It holds from your next sentence on."

    def set_volume(self, given: Mapping[str, object]) -> str:
        """Speak louder or softer."""
        gain_db, before = _number(given, "gain_db", llm.GAINS_DB), self.session.gain_db
        self.session = replace(self.session, gain_db=gain_db)
        self._done.append(llm.SetGain(gain_db))
        return f"The volume is {gain_db:+g} dB, it was {before:+g} dB. It holds from your next sentence on."

    def set_reminder(self, given: Mapping[str, object]) -> str:
        """Say something later."""
        text, label = _text(given, "text", llm.LONGEST_REMINDER_TEXT), str(given.get("label") or "")
        if not text:
            raise ToolFailed("the argument `text` is missing: what is to be said")
        if len(label) > llm.LONGEST_REMINDER_LABEL:
            raise ToolFailed(f"a `label` of {len(label)} characters: at most {llm.LONGEST_REMINDER_LABEL}")
        if len(self.session.reminders) >= llm.MOST_REMINDERS:
            raise ToolFailed(f"{llm.MOST_REMINDERS} reminders are set, and there can be no more: cancel one")
        due = self._due(given)
        left_seconds = (due - self._now()).total_seconds()
        if not 0 < left_seconds <= _LONGEST_SECONDS:
            raise ToolFailed(f"{due:%A %H:%M:%S %Z} is not within the next {_LONGEST_SECONDS / 3600:g} hours")
        self._done.append(llm.SetReminder(text, label, at_unix_ms=round(due.timestamp() * 1000)))
        # Its name is the caller's to give, so it cannot be cancelled before it is listed.
        added = llm.Reminder("", label, text, round(left_seconds * 1000))
        self.session = replace(self.session, reminders=(*self.session.reminders, added))
        return f"It will be said in {left_seconds:.0f} seconds, on {due:%A at %H:%M:%S %Z}. {_LASTS}"

    def cancel_reminder(self, given: Mapping[str, object]) -> str:
        """Do not say it after all."""
        wanted = str(given.get("id") or "")
        known = {each.id: each for each in self.session.reminders if each.id}
        gone = [each for each in known.values() if wanted in {"all", each.id}]
        if not gone:
            some = ", ".join(f"{each.id} ({each.label or each.text})" for each in known.values()) or "none"
            raise ToolFailed(f'there is no reminder {wanted!r}: `id` is one of {some}, or "all"')
        self._done.append(llm.CancelReminders(tuple(each.id for each in gone)))
        left = tuple(each for each in self.session.reminders if each not in gone)
        self.session = replace(self.session, reminders=left)
        return f"Cancelled: {', '.join(each.label or each.text for each in gone)}."

    def list_reminders(self, given: Mapping[str, object]) -> str:
        """What will be said, and when."""
        del given
        lines = [
            f"id {each.id or 'not known yet'}: in {max(each.due_in_ms, 0) / 1000:.0f} seconds, "
            f"{each.label or 'without a label'}, says: {each.text}"
            for each in self.session.reminders
        ]
        return "\n".join(lines) or "There are no reminders."

    def _due(self, given: Mapping[str, object]) -> datetime:
        at, seconds = _text(given, "at", 40), given.get("in_seconds")
        if bool(at) is (seconds is not None):
            raise ToolFailed("give either `in_seconds` or `at`")
        if not at:
            return self._now() + timedelta(seconds=_number(given, "in_seconds", (1, _LONGEST_SECONDS)))
        now = self._now().astimezone(_zone(_text(given, "time_zone", 80)))
        try:
            if "-" in at[:8]:
                read = datetime.fromisoformat(at)
                return read if read.tzinfo else read.replace(tzinfo=now.tzinfo)
            clock = datetime.strptime(at, "%H:%M:%S" if at.count(":") > 1 else "%H:%M").replace(tzinfo=now.tzinfo)
        except ValueError as error:
            raise ToolFailed(f'`at` is {at!r}: a time of day such as "19:30", or one with its date') from error
        due = now.replace(hour=clock.hour, minute=clock.minute, second=clock.second, microsecond=0)
        return due if due > now else due + timedelta(days=1)


def _zone(name: str) -> ZoneInfo | None:
    """A time zone; None, the server's own, where none is named."""
    try:
        return ZoneInfo(name) if name else None
    except (KeyError, ValueError, OSError) as error:
        raise ToolFailed(f"there is no time zone {name!r}") from error


def _number(given: Mapping[str, object], name: str, ends: tuple[float, float]) -> float:
    value = given.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not ends[0] <= value <= ends[1]:
        raise ToolFailed(f"`{name}` is {value!r}: a number from {ends[0]:g} to {ends[1]:g}")
    return float(value)


def _text(given: Mapping[str, object], name: str, longest: int) -> str:
    value = given.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > longest:
        raise ToolFailed(f"`{name}` is a text of at most {longest} characters")
    return value.strip()
