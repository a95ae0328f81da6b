"""Days, years and decades."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from tts_server.text.mapped import Said
from tts_server.text.spoken.amounts import BEFORE, any_of
from tts_server.text.spoken.language import Date
from tts_server.text.spoken.scanner import Rule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tts_server.text.mapped import Part
    from tts_server.text.spoken.language import Language

_MONTHS: Final = 12
_DAYS: Final = 31
# Of two figures for a year, those below belong to this century.
_THIS_CENTURY: Final = 70
# What is a word of its own when it is written small.
_COMMON: Final = frozenset(["may", "march", "mar", "dec", "mai"])
_YEAR: Final = r"(?:1[1-9]\d\d|20\d\d)"


class Dates:
    """The rules of one language."""

    def __init__(self, language: Language) -> None:
        """Say dates in `language`."""
        self._language = language
        months = language.vocabulary.months
        small = {name.lower(): number for name, number in months.items() if name.lower() not in _COMMON}
        self._months = {**small, **{name.upper(): number for name, number in months.items()}, **months}

    def rules(self) -> list[Rule]:
        """From the fullest form to the shortest."""
        return [*self._in_figures(), *self._with_names(), *self._of_years()]

    def _in_figures(self) -> list[Rule]:
        iso = (
            r"(?<![\w./-])(?P<year>\d{4})(?P<mark>[/-])(?P<month>\d{1,2})(?P=mark)(?P<day>\d{1,2})"
            r"(?:(?P<t>[T ])(?P<time>\d\d:\d\d)(?::\d\d(?:\.\d{1,9})?)?(?P<zone>Z?))?(?![\w/-])"
        )
        three = r"(?<![\w./-])(?P<a>\d{1,2})(?P<mark>[/.-])(?P<b>\d{1,2})(?P=mark)(?P<year>\d{4}|\d\d)(?![\w/-])"
        return [Rule(re.compile(iso), self._iso), Rule(re.compile(three), self._figures)]

    def _with_names(self) -> list[Rule]:
        language = self._language
        # The full stop of a short name, but not that of the sentence.
        month = rf"(?P<month>{any_of(self._months)})(?!\w)(?:\.(?= ?\d))?"
        year = rf"(?:{language.year_joint}(?P<year>\d{{4}})(?![\w-]))?"
        day = rf"(?P<day>\d{{1,2}}){language.day_ending}"
        last = rf"(?:\s?[-–]\s?(?P<last>\d{{1,2}}){language.day_ending})?"
        rules = [Rule(re.compile(rf"(?<![\w.,/-]){day}{last}{language.month_joint}{month}{year}"), self._named)]
        if language.month_first:
            whole = rf"(?<!\w){month} {day}{last}(?![\d,:.]\d)(?![\w%°]){year}"
            rules.append(Rule(re.compile(whole), self._named))
        return rules

    def _of_years(self) -> list[Rule]:
        years = rf"(?<![\w.,/:$€£-])(?P<year>{_YEAR})[-–](?P<last>{_YEAR}|\d\d)(?![\w%°/-]|[.,:]\d)"
        units = any_of(self._language.vocabulary.units)
        rules = [Rule(re.compile(rf"{years}(?! ?(?:{units})(?!\w))"), self._years)]
        if self._language.decade_ending:
            bare = rf"{self._language.decade_lead}(?P<bare>[2-9]0)"
            decade = rf"(?<![\w.,])(?:['’](?P<short>\d0)|(?P<year>\d{{3}}0)|{bare})"
            rules.append(Rule(re.compile(rf"{decade}{self._language.decade_ending}(?!\w)"), self._decade))
            until = re.compile(r"(?<=\d0s)[-–](?=['’]?(?:\d\d)?\d0s)")
            rules.append(Rule(until, lambda _: f" {self._language.words.to} "))
        return rules

    def _say(self, match: re.Match[str], date: Date) -> str | None:
        if not (1 <= date.month <= _MONTHS and 1 <= date.day <= _DAYS and date.last_day <= _DAYS):
            return None
        return self._language.date(date, match.string[max(0, match.start() - BEFORE) : match.start()])

    def _iso(self, match: re.Match[str]) -> str | Sequence[Part] | None:
        said = self._say(match, Date(int(match["year"]), int(match["month"]), int(match["day"])))
        if said is None or not match["time"]:
            return said
        hour, minute = map(int, match["time"].split(":"))
        zone = " UTC" if match["zone"] else ""
        end = match.start("t")
        return [
            Said(said, match.start(), end),
            Said(f", {self._language.clock(hour, minute, None)}{zone}", end, match.end()),
        ]

    def _figures(self, match: re.Match[str]) -> str | None:
        first, second = int(match["a"]), int(match["b"])
        day_first = self._language.day_first or match["mark"] == "." or first > _MONTHS
        day, month = (first, second) if day_first and second <= _MONTHS else (second, first)
        year = int(match["year"])
        if len(match["year"]) == len("24"):
            year += 2000 if year < _THIS_CENTURY else 1900
        return self._say(match, Date(year, month, day, day_leads=day == first and month != first))

    def _named(self, match: re.Match[str]) -> str | None:
        month = self._months[match["month"]]
        leads = match.start("day") < match.start("month")
        date = Date(int(match["year"] or 0), month, int(match["day"]), int(match["last"] or 0), day_leads=leads)
        return self._say(match, date)

    def _years(self, match: re.Match[str]) -> str:
        language = self._language
        return f"{language.year(int(match['year']))} {language.words.to} {language.year(int(match['last']))}"

    def _decade(self, match: re.Match[str]) -> str:
        return self._language.decade(int(match["year"] or match["short"] or match["bare"]))
