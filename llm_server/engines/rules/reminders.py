"""Timers, alarms and reminders: sets, lists and cancels them, and asks back where a time is missing. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from llm_server.engine import Role
from llm_server.engines.rules.asked import Answer
from llm_server.engines.rules.clock import clock
from llm_server.engines.rules.moments import Moment, Unclear, duration, moment, say_duration
from parley.llm import LONGEST_REMINDER_SECONDS, MOST_REMINDERS, CancelReminders, Reminder, SetReminder

if TYPE_CHECKING:
    from llm_server.engines.rules.asked import Asked

_KIND: Final = r"(?:timers?|alarms?|reminders?|alarm clocks?)"
_ABOUT = re.compile(
    rf"\b{_KIND}\b|\bremind me\b|\bwake me\b|\btime (?:is )?left\b"
    r"|\bhow (?:long|much time|much longer)\b.{0,20}\b(?:left|remain\w*)\b"
)
_LIST = re.compile(
    rf"\bhow (?:long|much|many)\b|\b{_KIND}\b.{{0,20}}\b(?:running|left|set|going|on)\?*$"
    rf"|\b(?:what|which|list|show|tell me|do i have|are there|is there|when)\b.{{0,25}}\b{_KIND}\b"
    rf"|\btime (?:is )?left\b|\bis (?:the|my) {_KIND}\b"
)
_CANCEL = re.compile(
    rf"\b(?:cancel|stop|delete|remove|clear|forget|kill|end|turn off|switch off|dismiss)\b.{{0,40}}\b{_KIND}\b"
    rf"|\bturn (?:the|my|all) {_KIND} off\b|\b(?:no|don't) (?:more )?(?:wake|remind|{_KIND})\b"
)
_SET = re.compile(
    rf"\b(?:set|start|make|create|add|put|run|give me|need|want|have|like|get)\b.{{0,40}}\b{_KIND}\b"
    r"|\b(?:remind|wake) me\b"
    rf"|^(?:(?:please|ok(?:ay)?|and|now),? )*(?:an? |the )?(?:[\w-]+ ){{0,4}}?{_KIND}\b(?! (?:is|was|went|w))"
)
# "Who invented the timer?" wants none.
_QUESTION = re.compile(r"^(?:and |so )?(?:who|what|why|how|where|does|do|did|is|was)\b")
_ALL = re.compile(r"\b(?:all|both|every|everything)\b|\b(?:timers|alarms|reminders)\b")
_REMIND = re.compile(
    r"\b(?:remind me|(?:set|make|create) (?:me )?an? reminder|reminder)\b(?P<when>[^?!]*?)"
    r"\b(?P<how>to|that|about)\b (?P<what>.+)$",
    re.IGNORECASE,
)
_PLAIN = re.compile(
    r"\b(?:remind me|reminder|alarm(?: clock)?|wake me(?: up)?|timer)\b(?P<when>[^?!]*)$", re.IGNORECASE
)
_BEFORE = re.compile(
    r"\b(?:set|start|make|create|give me|i need|i want) (?:me )?(?:an?|the|my)? ?(?P<when>.+?) (?:alarm|reminder)\b",
    re.IGNORECASE,
)
_NAMED = re.compile(r"\b(?:an?|the|my) (?P<name>[a-z]{3,20}) timer\b")
_NO_NAME: Final = frozenset(
    ["new", "another", "second", "third", "quick", "short", "long", "minute", "hour", "same", "other"]
)
_ENDS = re.compile(r"(?=\b(?:in|at|by|tomorrow|tonight|this)\b)", re.IGNORECASE)
_OTHERS: Final = {
    "my": "your",
    "me": "you",
    "i": "you",
    "i'm": "you're",
    "mine": "yours",
    "myself": "yourself",
    "am": "are",
}
_CANNOT: Final = "Sorry, I cannot remind you of anything here, so I set no timer and no alarm."
_CAN: Final = "I can set timers, alarms and reminders. Say, for example: set a timer for ten minutes."
_HOW_LONG: Final = "For how long?"
_WHEN: Final = "When?"
_OPEN: Final = "as long as this conversation stays open"
_SOON_SECONDS: Final = 300
_LONGEST_SAID: Final = 200


def reminders(asked: Asked) -> str | Answer | None:
    """What is to be done about timers, alarms and reminders; None: they are not what was spoken of."""
    said = _with_question(asked)
    folded = said.casefold().replace("’", "'")
    if not _ABOUT.search(folded):
        return None
    return _about(asked, said, folded, asked.session.reminders) if asked.session is not None else _CANNOT


def _about(asked: Asked, said: str, folded: str, known: tuple[Reminder, ...]) -> str | Answer:
    if _CANCEL.search(folded):
        return _cancel(folded, known)
    if _LIST.search(folded) and not re.search(r"\b(?:remind|wake) me\b|\b(?:set|start|make|create)\b", folded):
        return _list(known)
    if not _SET.search(folded) or _QUESTION.search(folded):
        return _CAN
    try:
        return _set(asked, said, folded)
    except Unclear as error:
        return str(error)


def _with_question(asked: Asked) -> str:
    """What was said; behind what it completes, where the last reply was a question of ours."""
    users, replies = asked.texts(Role.USER), asked.replies
    if len(users) > 1 and replies and replies[-1].endswith((_HOW_LONG, _WHEN)):
        joined = f"{users[-2].rstrip(' .?!')} {asked.said}"
        # Who says something else by then has changed the subject.
        if duration(asked.said) is not None or moment(asked.said, asked.now) is not None:
            return joined
    return asked.said


def _set(asked: Asked, said: str, folded: str) -> str | Answer:
    if asked.session is not None and len(asked.session.reminders) >= MOST_REMINDERS:
        raise Unclear(f"There are {MOST_REMINDERS} reminders already. Cancel one first.")
    if re.search(r"\btimers?\b", folded):
        return _timer(asked, folded)
    wakes = re.search(r"\b(?:wake|alarm)\b", folded) is not None
    what, how, when = _parts(asked, said)
    time = moment(when, asked.now, wakes="wake" in folded) if when else None
    if time is None:
        return f"I will gladly {'wake' if wakes else 'remind'} you{what and f' {how} {what}'}. {_WHEN}"
    after_seconds = time.after.total_seconds()
    if after_seconds > LONGEST_REMINDER_SECONDS:
        raise Unclear("That is too far away: I can remind you within the next twenty-four hours.")
    at = asked.now + time.after
    said_when = f"at {clock(at)}" if time.at else f"in {say_duration(after_seconds)}"
    if wakes:
        text = f"It is {clock(at)}. This is your alarm."
        return _answer(asked, f"I will wake you {said_when}", SetReminder(text, "alarm", **_due(time)), after_seconds)
    text = (
        f"This is your reminder {how} {what}."
        if what and how != "that"
        else f"This is your reminder{what and f': {what}'}."
    )
    told = f"I will remind you {said_when}{what and f' {how} {what}'}"
    return _answer(asked, told, SetReminder(text, what or "reminder", **_due(time)), after_seconds)


def _timer(asked: Asked, folded: str) -> str | Answer:
    seconds = duration(folded)
    if seconds is None or not seconds:
        return f"A timer, gladly. {_HOW_LONG}"
    if seconds > LONGEST_REMINDER_SECONDS:
        return "That is too long: I can run a timer for up to twenty-four hours."
    named = _NAMED.search(folded)
    name = named["name"] if named and named["name"] not in _NO_NAME else say_duration(seconds, each=True)
    said = say_duration(seconds)
    action = SetReminder(f"Your {name} timer is done.", f"{name} timer", after_ms=round(seconds * 1000))
    return _answer(asked, f"{said[:1].upper()}{said[1:]}, starting now", action, seconds)


def _parts(asked: Asked, said: str) -> tuple[str, str, str]:
    """Of what to remind, how that is said ("to", "that" or "about"), and when; each may be empty."""
    if found := _REMIND.search(said):
        what, when = found["what"].strip(" .!?"), found["when"].strip(" ,")
        if not when:
            what, when = _split(asked, what)
        words = (_OTHERS.get(word.casefold(), word) for word in what[:_LONGEST_SAID].split())
        return " ".join(words), found["how"].casefold(), when
    before, after = _BEFORE.search(said), _PLAIN.search(said)
    when = after["when"].strip(" ,.") if after else ""
    return "", "to", when or (before["when"] if before else "")


def _split(asked: Asked, what: str) -> tuple[str, str]:
    """The time at the end of what is to be done, apart from it."""
    for place in (found.start() for found in _ENDS.finditer(what)):
        if place and moment(what[place:], asked.now) is not None:
            return what[:place].strip(" ,"), what[place:]
    return what, ""


def _due(time: Moment) -> dict[str, int]:
    if time.at is not None:
        return {"at_unix_ms": round(time.at.timestamp() * 1000)}
    return {"after_ms": round(time.after.total_seconds() * 1000)}


def _answer(asked: Asked, told: str, action: SetReminder, after_seconds: float) -> Answer:
    """The confirmation; that it ends with the conversation is said once, where it may end before."""
    known = after_seconds < _SOON_SECONDS or any(_OPEN in reply for reply in asked.replies)
    return Answer(f"{told}." if known else f"{told}, {_OPEN}.", (action,))


def _list(known: tuple[Reminder, ...]) -> str:
    if not known:
        return "There is no timer, no alarm and no reminder at the moment."
    lines = [f"{_name(each)}: {_left(each)}" for each in known[:5]]
    rest = f" and {len(known) - 5} more" if len(known) > 5 else ""  # noqa: PLR2004 - as many as anybody remembers
    if len(known) == 1:
        left = _left(known[0])
        return f"{left[:1].upper()}{left[1:]} until your {_name(known[0])}."
    return f"You have {len(known)}. {'. '.join(f'{line[:1].upper()}{line[1:]}' for line in lines)}{rest}."


def _left(reminder: Reminder) -> str:
    return f"{say_duration(reminder.due_in_ms / 1000)} left" if reminder.due_in_ms > 0 else "due now"


def _name(reminder: Reminder) -> str:
    return reminder.label if re.search(rf"\b{_KIND}\b", reminder.label) else f"reminder to {reminder.label}"


def _cancel(folded: str, known: tuple[Reminder, ...]) -> str | Answer:
    kinds = [each for each in ("timer", "alarm", "reminder") if each in folded]
    fitting = [each for each in known if any(kind in _name(each) for kind in kinds)] or []
    named = [each for each in fitting if each.label and each.label.casefold() in folded]
    seconds = duration(folded)
    if seconds is not None:
        named = [each for each in fitting if say_duration(seconds, each=True) in each.label]
    wanted = named or ([] if seconds is not None else fitting)
    if not wanted:
        return f"There is no such {kinds[0] if kinds else 'reminder'} at the moment."
    if len(wanted) > 1 and not _ALL.search(folded):
        return f"Which one? You have {', '.join(_name(each) for each in wanted[:5])}. Or say: cancel all of them."
    gone = CancelReminders(tuple(each.id for each in wanted))
    return Answer(
        f"Your {_name(wanted[0])} is cancelled." if len(wanted) == 1 else f"All {len(wanted)} are cancelled.", (gone,)
    )
