"""German."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from tts_server.text.mapped import Kept, Said
from tts_server.text.spoken.language import Language
from tts_server.text.spoken.scanner import Rule
from tts_server.text.spoken.vocabulary import FEMININE, MASCULINE, PLAIN, load

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tts_server.text.mapped import Part
    from tts_server.text.spoken.language import Date

_WEAK: Final = re.compile(r"(?i:\b(?:am|vom|zum|zur|beim|im|bis|seit|ab|de[mns]|\w{1,20}e[mn])|,) $")
_NOMINATIVE: Final = re.compile(r"(?i:\b(?:der|die|das|jede|diese|dieser)) $")
_DETERMINERS: Final = (
    r"(?i:d(?:er|ie|as|e[mns])|am|im|zum|zur|vom|beim|jede[mnrs]?|(?:ihr|sein|mein|dein|unser|ein)(?:e[mnrs]?)?)"
)
_TEENS: Final = 20
_DAYS: Final = 31


class German(Language):
    """German, as in Germany."""

    def extra_rules(self) -> Sequence[Rule]:
        """Ordinal numbers, whose only mark is a full stop, and days without a year."""
        lead = rf"(?<!\w)(?P<lead>(?:{_DETERMINERS}) )"
        return [
            Rule(re.compile(rf"{lead}(?P<day>\d{{1,2}})\.[ ]?(?P<month>\d{{1,2}})\.(?!\d)"), self._day),
            Rule(
                re.compile(rf"{lead}(?P<number>\d{{1,4}})\.(?= [A-ZÄÖÜ])(?! (?:{'|'.join(self.vocabulary.months)})\b)"),
                self._nth,
            ),
        ]

    def _day(self, match: re.Match[str]) -> Sequence[Part] | None:
        day, month = int(match["day"]), int(match["month"])
        if not (1 <= day <= _DAYS and 1 <= month <= len(self.words.month_names)):
            return None
        said = f"{self.ordinal(day, '', match['lead'])} {self.words.month_names[month - 1]}"
        return [Kept(*match.span("lead")), Said(said, match.start("day"), match.end())]

    def _nth(self, match: re.Match[str]) -> Sequence[Part]:
        said = self.ordinal(int(match["number"]), ".", match["lead"])
        return [Kept(*match.span("lead")), Said(said, match.start("number"), match.end())]

    def rules_before(self, following: str) -> str:
        """Such as "Ein Apfel", not "eins Apfel"."""
        return MASCULINE if following[1:2].isupper() else PLAIN

    def whole(self, digits: str, rules: str = PLAIN) -> str:
        """A run of digits in words; only a one by itself has a gender."""
        return super().whole(digits, rules if digits == "1" else PLAIN)

    def fraction(self, numerator: int, denominator: int) -> str:
        """Such as "Drei viertel"."""
        if not numerator or denominator < len("12"):
            return f"{self.count(numerator)} zu {self.count(denominator)}"
        count = "ein" if numerator == 1 else self.count(numerator)
        return f"{count} {self._part(denominator)}"

    def _part(self, denominator: int) -> str:
        known = {2: "halb", 3: "drittel", 7: "siebtel", 8: "achtel"}
        return known.get(denominator, self.count(denominator) + ("tel" if denominator < _TEENS else "stel"))

    def mixed(self, whole: int, numerator: int, denominator: int) -> str:
        """Such as "Eineinhalb"."""
        count = "ein" if whole == 1 else self.count(whole)
        if (numerator, denominator) == (1, 2):
            return f"{count}einhalb"
        return f"{self.count(whole)} {self.fraction(numerator, denominator)}"

    def ordinal(self, number: int, ending: str, before: str) -> str:
        """With the ending that the word before it asks for: "der dritte", "am dritten", "dritter"."""
        del ending
        rules = "" if _NOMINATIVE.search(before) else "-n" if _WEAK.search(before) else "-r"
        return self.count(number, f"spellout-ordinal{rules}")

    def roman(self, number: int, name: str) -> str:
        """Such as "Heinrich der Achte"."""
        article = "die" if name in self.vocabulary.queens else "der"
        return f"{article} {self.count(number, 'spellout-ordinal').capitalize()}"

    def decade(self, year: int) -> str:
        """Such as "Neunziger"."""
        return f"{self.year(year)}er"

    def clock(self, hour: int, minute: int, second: int | None) -> str:
        """Such as "Vierzehn Uhr dreißig"."""
        said = f"{self.count(hour, MASCULINE)} Uhr"
        if minute or second:
            said += f" {self.count(minute)}"
        seconds = "eine Sekunde" if second == 1 else f"{self.count(second or 0)} Sekunden"
        return said + (f" und {seconds}" if second else "")

    def date(self, date: Date, before: str) -> str:
        """Such as "Fünfzehnter März zweitausendvierundzwanzig"."""
        day = self.ordinal(date.day, ".", before)
        if date.last_day:
            day += f" bis {self.ordinal(date.last_day, '.', before)}"
        said = f"{day} {self.words.month_names[date.month - 1]}"
        return said + (f" {self.year(date.year)}" if date.year else "")


GERMAN: Final = German(
    code="de",
    vocabulary=load("de"),
    number=r"(?:\d{1,3}(?:[.\u00a0\u202f]\d{3}){1,6}(?!\d)|\d{1,3}(?: \d{3}){1,6}(?!\d)|\d+)(?:[.,]\d+)?",
    decimal_marks=",.",
    group_marks=" .\u00a0\u202f",
    scale_rules=FEMININE,
    day_ending=r"\.",
    month_joint=" ?",
    year_joint=" ",
    decade_ending="er(?:n|[- ]?(?=Jahre))?",
    hour_names="Uhr",
    earliest_year=1500,
)
