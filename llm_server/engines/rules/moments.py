"""How long and when: durations and times of day, from words and to words, in English. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from llm_server.engines.rules.numbers import digits, in_words

_SECONDS: Final = {"h": 3600, "m": 60, "s": 1}
_UNIT: Final = r"(?:(?P<u{0}>hours?|hrs?|h|minutes?|mins?|m|seconds?|secs?|s)\b)"
_AMOUNT: Final = r"(?:(?P<n{0}>\d+(?:\.\d+)?|an?|half an?|half|3 quarters of an?|(?:a )?quarter of an|a couple of) ?)"
_WORTH: Final = {
    "a": 1.0,
    "an": 1.0,
    "half": 0.5,
    "half a": 0.5,
    "half an": 0.5,
    "quarter of an": 0.25,
    "a quarter of an": 0.25,
    "3 quarters of a": 0.75,
    "3 quarters of an": 0.75,
    "a couple of": 2.0,
}
_PARTS: Final = 3
_ONE: Final = [
    _AMOUNT.format(place) + _UNIT.format(place) + rf"(?P<half{place}> and a half)?" for place in range(_PARTS)
]
_DURATION = re.compile(_ONE[0] + "".join(rf"(?: (?:and )?{each})?" for each in _ONE[1:]))
_CLOCK: Final = (
    r"(?:(?P<part>half|(?:a )?quarter|\d{1,2})(?: minutes?)? (?P<side>past|after|to|before) )?"
    r"(?P<hour>\d{1,2})(?: ?(?::|\.|oh)? ?(?P<minute>\d{1,2}))?(?: o'clock)?"
)
_HALF_OF_DAY: Final = (
    r"(?: ?(?P<half>a ?\.? ?m ?\.?|p ?\.? ?m ?\.?|(?:in the |this )?(?:morning|afternoon|evening)|at night|tonight))?"
)
_DAY: Final = r"(?P<{0}>tomorrow|tonight|today)(?: (?P<{0}_half>morning|afternoon|evening))?"
_TIME = re.compile(
    rf"(?:at |for |by |around )?(?:{_DAY.format('early')} )?(?:at )?"
    rf"(?:{_CLOCK}{_HALF_OF_DAY}|(?P<named>noon|midnight|midday))(?: {_DAY.format('late')})?"
)
_FAR = re.compile(
    r"\b(?:(?:mon|tues|wednes|thurs|fri|satur|sun)day|next (?:week|month|year)|\d+ (?:days?|weeks?|months?|years?)"
    r"|an? (?:week|month|year))\b"
)
_POLITE = re.compile(r"(?: ?(?:please|from now|now|then|thanks|thank you|again))*[ .!?,]*$")
# Who wants to be woken at three means the afternoon only where that is a nap away.
_NAP: Final = timedelta(hours=4)
_NAP_HOURS: Final = range(8, 18)
_NOON: Final = 12


@dataclass(frozen=True, slots=True)
class Moment:
    """A time to come."""

    after: timedelta
    """From now."""
    at: datetime | None = None
    """The time of day that was asked for; None: so long from now was."""


class Unclear(ValueError):
    """A time that cannot be; the message says what is wrong with it, as an answer."""


def moment(text: str, now: datetime, *, wakes: bool = False) -> Moment | None:
    """The time that `text` is about, and nothing else: "in ten minutes", "at half past seven"; None: it is none.

    Raises:
        Unclear: it is one that cannot be.
    """
    line = _POLITE.sub("", digits(text))
    if (seconds := _seconds(line.removeprefix("in ").removeprefix("for "))) is not None:
        return Moment(timedelta(seconds=seconds))
    found = _TIME.fullmatch(line)
    if found is None:
        if _FAR.search(line):
            raise Unclear("That is too far away: I can remind you within the next twenty-four hours.")
        return None
    at = _next(found, now, wakes=wakes)
    return Moment(at - now, at)


def duration(text: str) -> float | None:
    """The first duration in `text`, in seconds; None: there is none."""
    found = _DURATION.search(digits(text).replace(" - ", " "))
    return _seconds(found[0]) if found else None


def say_duration(seconds: float, *, each: bool = False) -> str:
    """A duration in words, to the second; with `each` as in "a ten minute timer"."""
    whole = max(round(seconds), 0)
    units = [("hour", whole // 3600), ("minute", whole // 60 % 60), ("second", whole % 60)]
    if 60 < whole < 100:  # noqa: PLR2004 - "ninety seconds"
        units = [("second", whole)]
    said = [f"{in_words(many)} {unit}{'s' if many != 1 and not each else ''}" for unit, many in units if many]
    if not said:
        return "no time"
    return " ".join(said) if each or len(said) == 1 else f"{', '.join(said[:-1])} and {said[-1]}"


def _seconds(line: str) -> float | None:
    found = _DURATION.fullmatch(line.strip())
    if found is None:
        return None
    total = 0.0
    for place in range(_PARTS):
        if unit := found[f"u{place}"]:
            number = found[f"n{place}"]
            amount = _WORTH[number] if number in _WORTH else float(number)
            total += (amount + (0.5 if found[f"half{place}"] else 0)) * _SECONDS[unit[0]]
    return total


def _next(found: re.Match[str], now: datetime, *, wakes: bool) -> datetime:
    """The next time that the clock shows what was said."""
    hour, minute = _of_clock(found)
    day = found["early"] or found["late"] or ""
    half = (found["half"] or found["early_half"] or found["late_half"] or day).replace(" ", "").replace(".", "")
    if half.startswith("p") or half.endswith(("afternoon", "evening", "night")):
        hours = [hour % _NOON + (_NOON if not (half.endswith("night") and hour % _NOON < 5) else 0)]  # noqa: PLR2004 - two at night
    elif half.startswith("am") or half.endswith("morning"):
        hours = [hour % _NOON]
    elif hour > _NOON or not hour or found["named"]:
        hours = [hour % 24]
    else:
        hours = [hour % _NOON, hour % _NOON + _NOON]
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    times = [midnight + timedelta(days=days, hours=each, minutes=minute) for days in (0, 1) for each in hours]
    if day == "tomorrow":
        times = [each for each in times if each.date() > now.date()]
    coming = sorted(each for each in times if each > now)
    if wakes and not (now.hour in _NAP_HOURS and coming[0] - now <= _NAP):
        coming = [each for each in coming if each.hour < _NOON] or coming
    return coming[0]


def _of_clock(found: re.Match[str]) -> tuple[int, int]:
    if named := found["named"]:
        return (0 if named == "midnight" else _NOON), 0
    hour, minute = int(found["hour"]), int(found["minute"] or 0)
    if part := found["part"]:
        minutes = int(part) if part.isdigit() else 30 if part == "half" else 15
        before = found["side"] in {"to", "before"}
        hour, minute = ((hour - 1) % 24, 60 - minutes) if before else (hour, minutes)
        hour = hour or _NOON
    if hour > 24 or not 0 <= minute < 60:  # noqa: PLR2004 - of the clock
        raise Unclear(f"There is no such time as {found[0].removeprefix('at ')}. Say it once more, please.")
    return hour, minute
