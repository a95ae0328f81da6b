"""English."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from tts_server.text.spoken.language import Language
from tts_server.text.spoken.scanner import Rule
from tts_server.text.spoken.vocabulary import load

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tts_server.text.spoken.language import Date

# What is named as a part: halves, thirds and so on; beyond them "over".
_PARTS: Final = frozenset([2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 16, 20, 32, 64, 100, 1000])
_ARTICLE: Final = re.compile(r"(?<!\w)[Aa]n? $")
_TEN: Final = 10
_HUNDRED: Final = 100


# A street has a name or a number, and a saint's follows.
_NAMED: Final = re.compile(r"(?<!\w)(?:[A-Z][\w'.-]{0,30}|\d{1,4}(?:st|nd|rd|th)?) $")
_LONGEST_NAME: Final = 33


class English(Language):
    """American English."""

    def extra_rules(self) -> Sequence[Rule]:
        """Numbers that are dialled, though they are short; streets and saints."""
        dialled = re.compile(r"(?<=(?:[Cc]all|[Dd]ial) )\d{3}(?![\w.,/-]?\d)")
        return [
            Rule(dialled, lambda match: self.digits(match[0])),
            Rule(re.compile(r"(?<=[\w.] )St(?:\.(?! [A-Z])|(?=[,.]))"), _street),
            Rule(re.compile(r"(?<!\w)St\.?(?= [A-Z][a-z])"), lambda _: "Saint"),
        ]

    def is_attributive(self, before: str) -> bool:
        """Such as "a five kilometer run"."""
        return bool(_ARTICLE.search(before))

    def fraction(self, numerator: int, denominator: int) -> str:
        """Such as "Three quarters"; "two over seven hundred" for what has no name."""
        if (numerator, denominator) in {(24, 7), (9, 11), (50, 50)}:
            return f"{self.count(numerator)} {self.count(denominator)}"
        if denominator not in _PARTS or not numerator or (numerator >= denominator > _TEN):
            return f"{self.count(numerator)} over {self.count(denominator)}"
        names = {2: ("half", "halves"), 4: ("quarter", "quarters")}
        one, many = names.get(denominator, (ordinal := self.count(denominator, "spellout-ordinal"), f"{ordinal}s"))
        return f"{self.count(numerator)} {one if numerator == 1 else many}"

    def mixed(self, whole: int, numerator: int, denominator: int) -> str:
        """Such as "One and a half"."""
        part = self.fraction(numerator, denominator)
        return f"{self.count(whole)} and {f'a {part[4:]}' if numerator == 1 and part.startswith('one ') else part}"

    def ordinal(self, number: int, ending: str, before: str) -> str:
        """Such as "Twenty-first"."""
        del ending, before
        return self.count(number, "spellout-ordinal")

    def roman(self, number: int, name: str) -> str:
        """Such as "The eighth"."""
        del name
        return f"the {self.count(number, 'spellout-ordinal')}"

    def decade(self, year: int) -> str:
        """Such as "Nineteen nineties"."""
        if year % _HUNDRED == 0:
            return f"{self.year(year)}s"
        century = f"{self.count(year // _HUNDRED)} " if year >= _HUNDRED else ""
        tens = self.count(year % _HUNDRED)
        return century + (f"{tens[:-1]}ies" if tens.endswith("y") else f"{tens}s")

    def clock(self, hour: int, minute: int, second: int | None) -> str:
        """Such as "Seven oh five"."""
        if second is not None:
            parts = ((hour, "hour"), (minute, "minute"), (second, "second"))
            named = [f"{self.count(many)} {name}{'' if many == 1 else 's'}" for many, name in parts if many]
            return " ".join(named) or "zero seconds"
        if not minute:
            return "midnight" if hour == 0 else f"{self.count(hour)} o'clock"
        return f"{self.count(hour)} {'oh ' if minute < _TEN else ''}{self.count(minute)}"

    def date(self, date: Date, before: str) -> str:
        """Such as "May fifth, twenty twenty-four", or "the fifth of May" where the day is written first."""
        month = self.words.month_names[date.month - 1]
        days = self.ordinal(date.day, "", "")
        if date.last_day:
            days += f" to {self.ordinal(date.last_day, '', '')}"
        after_the = before.lower().endswith("the ")
        if self.day_first or date.day_leads or after_the:
            lead = "" if after_the else "the "
            return f"{lead}{days} of {month}" + (f" {self.year(date.year)}" if date.year else "")
        return f"{month} {days}" + (f", {self.year(date.year)}" if date.year else "")


def _street(match: re.Match[str]) -> str | None:
    """What "St" is that no name follows at once, or that one has come before."""
    before = match.string[max(0, match.start() - _LONGEST_NAME) : match.start()]
    saint = match.string.startswith(". ", match.end()) and not _NAMED.search(before)
    return None if saint else "Street"


AMERICAN: Final = English(
    code="en",
    vocabulary=load("en"),
    number=r"(?:\d{1,3}(?:,\d{3}){1,6}(?!\d)|\d+)(?:\.\d+)?|(?<!\.)\.\d+",
    decimal_marks=".",
    group_marks=",",
    day_ending="(?:st|nd|rd|th)?",
    month_joint="(?: of)? ",
    month_first=True,
    day_first=False,
    # "30s" alone are seconds.
    decade_lead=r"(?:(?<=(?:the|her|his|eir|our|rly|ate|mid)[ -])|(?<=\d0s[-–]))",
    decade_ending="['’]?s",
    ordinal_endings="st|nd|rd|th",
    names_cents=True,
)
BRITISH: Final = replace(AMERICAN, day_first=True)
