"""The time of day, here and elsewhere. Pure, but for the list of time zones, which is read once."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

if TYPE_CHECKING:
    from datetime import datetime

    from llm_server.engines.rules.asked import Asked

# "What time is the train" is another question.
_TIME = re.compile(
    r"\bwhat time(?: is it\b| it is\b| do you have\b| do we have\b| now\b|[?.! ]*$)|^time is it\b"
    r"|\b(?:what(?:'s| is)|tell me|give me|know|have) the (?:current )?time\b(?! (?:of|for|to|zone|when|that)\b)"
    r"|\bwhat's time\b|^the time please\b|^(?:the )?time[?.! ]*$|\bhow late is it\b"
)
# "I had a good time in Paris" asks nothing.
_PLACE = re.compile(
    r"(?:\b(?:what|tell me|give me|know)\b.{0,20}|^(?:and )?(?:the )?)\btime\b[^?.!]{0,20}? in "
    r"(?P<place>[^\W\d_][\w .,'-]{1,40}?)"
    r"(?: right now| now| at the moment| today| please)*(?:,? (?:and|because|if|when)\b.*)?[?.! ]*$"
)
_NO_PLACE: Final = re.compile(r"(?:the |this )?(?:morning|afternoon|evening|night|day|moment|world)|english|here")
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
            there = asked.now.astimezone(ZoneInfo(_zone(place["place"])))
        except (KeyError, ZoneInfoNotFoundError):
            return f"I do not know what time it is in {named}. Here it is {clock(asked.now)}."
        return f"In {named} it is {clock(there)}{_other_day(there, asked.now)}."
    return f"It is {clock(asked.now)}." if _TIME.search(folded) else None


def _other_day(there: datetime, here: datetime) -> str:
    return "" if there.date() == here.date() else f" on {there:%A}"


def clock(now: datetime) -> str:
    """The time of day as people say it."""
    hour = now.hour % 12 or 12
    half = "in the morning" if now.hour < 12 else "in the afternoon" if now.hour < 18 else "in the evening"  # noqa: PLR2004 - of the clock
    return f"{hour}:{now:%M} {half}" if now.minute else f"{hour} o'clock {half}"


def _zone(place: str) -> str:
    """The time zone of a place, which may be named with its country: "Sydney, Australia"."""
    return zones().get(_plain(place)) or zones()[_plain(place.partition(",")[0])]


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
