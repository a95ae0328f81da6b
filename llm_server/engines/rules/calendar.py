"""Days, months and years, and how far away a day is. Pure."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from llm_server.engines.rules.numbers import digits, in_words

if TYPE_CHECKING:
    from datetime import datetime

    from llm_server.engines.rules.asked import Asked

_ORDINAL_ENDINGS: Final = {1: "st", 2: "nd", 3: "rd", 21: "st", 22: "nd", 23: "rd", 31: "st"}
_WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_WEEKDAY: Final = f"(?:{'|'.join(_WEEKDAYS)})"
_FEASTS: Final = {
    "christmas": (12, 25),
    "christmas day": (12, 25),
    "christmas eve": (12, 24),
    "new year": (1, 1),
    "new year's": (1, 1),
    "new year's day": (1, 1),
    "new year's eve": (12, 31),
    "halloween": (10, 31),
    "valentine's day": (2, 14),
}
# Which day it is; "what is the date of the battle" is another question.
_TODAY = re.compile(
    r"\b(?:what(?:'s| is)?|which|tell me|know)(?: is)? (?:the |today's )?(?:current )?(?:date|day)"
    r"(?: it is| is it| is| of the week| today| now| please| do we have| are we on)*[?.! ]*$"
    rf"|\btoday's date\b|\bwhat(?: is|'s) today\b|\bis (?:it|today) (?:already |really |a )?{_WEEKDAY}\b"
)
_YEAR = re.compile(
    r"\b(?:what|which) year (?:is it|is this|it is|are we|do we)\b|\bwhat(?:'s| is) the (?:current )?year\b[?.! ]*$"
    r"|\b(?:what|which) year[?.! ]*$"
)
_MONTH = re.compile(
    r"\b(?:what|which) month (?:is it|is this|it is|are we|do we)\b|\bwhat(?:'s| is) the (?:current )?month\b[?.! ]*$"
)
# Another day is asked for with one of these; "what will I do tomorrow" is not.
_DAY_ASKED = re.compile(r"\b(?:what|which)(?:'s| is| was| will)?\b[^?.!]{0,20}\b(?:day|date)\b")
_OTHER_DAYS: Final = (
    (re.compile(r"\bday after tomorrow\b"), 2, "The day after tomorrow is"),
    (re.compile(r"\bday before yesterday\b"), -2, "The day before yesterday was"),
    (re.compile(r"\btomorrow\b"), 1, "Tomorrow is"),
    (re.compile(r"\byesterday\b"), -1, "Yesterday was"),
)
_LATER = re.compile(r"\b(?:in )?(?P<many>a|\d{1,4}) (?P<what>day|week)s?(?P<from> from (?:now|today)| ago)?[?.! ]*$")
_NEXT = re.compile(rf"\b(?:next|this|on|is|the coming) (?P<day>{_WEEKDAY})\b")
_UNTIL = re.compile(
    r"\bhow (?:many days|long|many (?:more )?sleeps)\b.{0,30}? (?:until|till|to|before) "
    r"(?:the )?(?P<day>[a-z' ]{3,20}?)[?.! ]*$"
)


def tell_date(asked: Asked) -> str | None:
    """Which day, month or year it is."""
    folded = asked.folded
    if _YEAR.search(folded):
        return f"It is {asked.now.year}."
    if _MONTH.search(folded):
        return f"It is {asked.now:%B}."
    if _DAY_ASKED.search(folded) and (other := _another_day(folded, asked.now)):
        return other
    return f"Today is {_date(asked.now)}." if _TODAY.search(folded) else None


def _another_day(folded: str, now: datetime) -> str | None:
    for pattern, days, begin in _OTHER_DAYS:
        if pattern.search(folded):
            return f"{begin} {_date(now + timedelta(days=days))}."
    if found := _LATER.search(digits(folded)):
        many = 1 if found["many"] == "a" else int(found["many"])
        days = many * (7 if found["what"] == "week" else 1)
        ago = found["from"] == " ago"
        return f"That {'was' if ago else 'is'} {_date(now + timedelta(days=-days if ago else days))}."
    if found := _NEXT.search(folded):
        # A week later on the day itself.
        days = _days_to(found["day"], now) or 7
        return f"The next {found['day'].title()} is {_date(now + timedelta(days=days)).partition(', ')[2]}."
    return None


def days_until(asked: Asked) -> str | None:
    """How many days there are until a feast or a day of the week."""
    found = _UNTIL.search(asked.folded)
    day, today = found["day"] if found else "", asked.now.date()
    if day in _FEASTS:
        month, number = _FEASTS[day]
        feast = today.replace(month=month, day=number)
        days = ((feast if feast >= today else feast.replace(year=today.year + 1)) - today).days
    elif day in _WEEKDAYS:
        days = _days_to(day, asked.now)
    else:
        return None
    named = " ".join(word[:1].upper() + word[1:] for word in day.split())
    return f"{named} is in {in_words(days)} day{'s' if days > 1 else ''}." if days else f"{named} is today."


def _days_to(weekday: str, now: datetime) -> int:
    return (_WEEKDAYS.index(weekday) - now.weekday()) % 7


def _date(day: datetime) -> str:
    return f"{day:%A}, the {day.day}{_ORDINAL_ENDINGS.get(day.day, 'th')} of {day:%B}"
