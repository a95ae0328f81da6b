"""Time and date, here and elsewhere. Pure, but for the list of time zones, which is read once."""

from __future__ import annotations

import re
import unicodedata
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from llm_server.engines.rules.numbers import in_words

if TYPE_CHECKING:
    from datetime import datetime

    from llm_server.engines.rules.asked import Asked

_ORDINAL_ENDINGS: Final = {1: "st", 2: "nd", 3: "rd", 21: "st", 22: "nd", 23: "rd", 31: "st"}
_TIME = re.compile(
    r"\bwhat(?:'s| is)? (?:the )?(?:current )?time\b|\btime is it\b|\b(?:tell|give) me the time\b|\bthe time please\b"
    r"|\btime (?:is it )?(?:right )?now\b|\bhow late is it\b|\bdo you (?:have|know) the time\b"
)
_PLACE = re.compile(
    r"\btime\b[^?.!]{0,20}? in (?P<place>[^\W\d_][\w .,'-]{1,40}?)"
    r"(?: right now| now| at the moment| today| please)*(?:,? (?:and|because|if|when)\b.*)?[?.! ]*$"
)
_NO_PLACE: Final = re.compile(r"(?:the |this )?(?:morning|afternoon|evening|night|day|moment|world)|english|here")
_DATE = re.compile(
    r"\bwhat(?:'s| is)? (?:the |today's )?(?:current )?(?:date|day)\b|\bwhich day\b"
    r"|\bday (?:is (?:it|today)|of the week)\b|\btoday's date\b|\bwhat(?: is|'s) today\b"
    r"|\bis (?:it|today) (?:already |really |a )?(?:mon|tues|wednes|thurs|fri|satur|sun)day\b"
)
_OTHER_DAYS: Final = (
    (re.compile(r"\bday after tomorrow\b"), 2, "The day after tomorrow is"),
    (re.compile(r"\bday before yesterday\b"), -2, "The day before yesterday was"),
    (re.compile(r"\btomorrow\b"), 1, "Tomorrow is"),
    (re.compile(r"\byesterday\b"), -1, "Yesterday was"),
)
# Another day is asked for with one of these; "what will I do tomorrow" is not.
_DAY_ASKED = re.compile(
    r"\b(?:what|which)(?:'s| is| was| will)?\b[^?.!]{0,20}\b(?:day|date)\b|\b(?:day|date)\b[^?.!]*\?"
)
_UNTIL = re.compile(
    r"\bhow (?:many days|long|many (?:more )?sleeps)\b.{0,30}? (?:until|till|to|before) "
    r"(?:the )?(?P<day>[a-z' ]{3,20}?)[?.! ]*$"
)
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
_WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_YEAR = re.compile(r"\b(?:what|which)(?:'s| is)? (?:the )?(?:current )?year\b|\byear is (?:it|this)\b")
_MONTH = re.compile(r"\b(?:what|which)(?:'s| is)? (?:the )?(?:current )?month\b|\bmonth is (?:it|this)\b")
# Places that the list of time zones does not name; of those with several zones, none.
_ALSO: Final = {
    "America/New_York": "new york city, washington, washington dc, boston, philadelphia, miami, atlanta, florida",
    "America/Los_Angeles": "san francisco, california, seattle, san diego, las vegas, silicon valley",
    "America/Chicago": "houston, dallas, austin, texas",
    "America/Sao_Paulo": "rio, rio de janeiro",
    "Asia/Kolkata": "india, delhi, new delhi, mumbai, bangalore",
    "Asia/Shanghai": "china, beijing, shenzhen",
    "Asia/Tokyo": "japan, osaka, kyoto",
    "Asia/Seoul": "south korea",
    "Europe/Berlin": "germany, munich, hamburg, cologne, frankfurt",
    "Europe/London": "england, scotland, the uk, the united kingdom, great britain, manchester",
    "Europe/Paris": "france, lyon, marseille",
    "Europe/Madrid": "barcelona",
    "Europe/Rome": "italy, milan, naples, venice",
    "Europe/Warsaw": "poland, krakow",
    "Europe/Zurich": "switzerland, geneva",
    "Europe/Vienna": "austria",
    "UTC": "utc, gmt",
}


def tell_time(asked: Asked) -> str | None:
    """What time it is, here or in a place."""
    folded = asked.folded
    place = _PLACE.search(folded)
    if place and not _NO_PLACE.fullmatch(place["place"]):
        # Places are said as they were written.
        named = (
            asked.said[place.start("place") : place.end("place")] if len(folded) == len(asked.said) else place["place"]
        )
        named = named if named != named.lower() else named.title()
        try:
            there = asked.now.astimezone(ZoneInfo(zones()[_plain(place["place"])]))
        except (KeyError, ZoneInfoNotFoundError):
            return f"I do not know what time it is in {named}. Here it is {clock(asked.now)}."
        return f"In {named} it is {clock(there)}{_other_day(there, asked.now)}."
    return f"It is {clock(asked.now)}." if _TIME.search(folded) else None


def _other_day(there: datetime, here: datetime) -> str:
    return "" if there.date() == here.date() else f" on {there:%A}"


def tell_date(asked: Asked) -> str | None:
    """Which day, month or year it is."""
    folded = asked.folded
    if _DAY_ASKED.search(folded):
        for pattern, days, begin in _OTHER_DAYS:
            if pattern.search(folded):
                return f"{begin} {_date(asked.now + timedelta(days=days))}."
    if _YEAR.search(folded):
        return f"It is {asked.now.year}."
    if _MONTH.search(folded):
        return f"It is {asked.now:%B}."
    return f"Today is {_date(asked.now)}." if _DATE.search(folded) else None


def days_until(asked: Asked) -> str | None:
    """How many days there are until a feast or a day of the week."""
    found = _UNTIL.search(asked.folded)
    day, today = found["day"] if found else "", asked.now.date()
    if day in _FEASTS:
        feast = today.replace(month=_FEASTS[day][0], day=_FEASTS[day][1])
        days = ((feast if feast >= today else feast.replace(year=today.year + 1)) - today).days
    elif day in _WEEKDAYS:
        days = (_WEEKDAYS.index(day) - today.weekday()) % 7
    else:
        return None
    named = " ".join(word[:1].upper() + word[1:] for word in day.split())
    return f"{named} is today." if not days else f"{named} is in {in_words(days)} day{'s' if days > 1 else ''}."


def _date(day: datetime) -> str:
    return f"{day:%A}, the {day.day}{_ORDINAL_ENDINGS.get(day.day, 'th')} of {day:%B}"


def clock(now: datetime) -> str:
    """The time of day as people say it."""
    hour = now.hour % 12 or 12
    half = "in the morning" if now.hour < 12 else "in the afternoon" if now.hour < 18 else "in the evening"  # noqa: PLR2004 - of the clock
    minutes = "o'clock" if not now.minute else f"oh {now.minute}" if now.minute < 10 else str(now.minute)  # noqa: PLR2004 - of the clock
    return f"{hour} {minutes} {half}"


@cache
def zones() -> dict[str, str]:
    """Time zones by the names of their places, in small letters and without accents; reads the system's list."""
    known = available_timezones()
    found = {_plain(name.rpartition("/")[2].replace("_", " ")): name for name in sorted(known) if "/" in name}
    for zone, places in _ALSO.items():
        found.update(dict.fromkeys(places.split(", "), zone))
    return found


def _plain(place: str) -> str:
    """A place's name for comparing."""
    letters = unicodedata.normalize("NFKD", place.casefold().replace(",", ""))
    return "".join(each for each in letters if not unicodedata.combining(each)).replace("ł", "l")
