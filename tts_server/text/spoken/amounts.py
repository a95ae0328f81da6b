"""Numbers and what is counted with them: money, units, percentages, ranges, scales, signs before them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from tts_server.text.spoken.money import Money, Sum
from tts_server.text.spoken.scanner import Rule
from tts_server.text.spoken.vocabulary import PLAIN

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tts_server.text.spoken.language import Language

SPACE: Final = "[ \u00a0\u202f\u2009]"
EDGE: Final = r"(?<![\w/])(?<!\d[.,:])"
"""Where a number may begin: not within another, nor within a word."""

BEFORE: Final = 24
"""Characters before a number that may decide on its form."""

FULL_STOP: Final = re.compile(r"\s+[^\sa-z]|\s*$")
"""What follows a full stop that ends a sentence."""

_SPACES: Final = " \u00a0\u202f\u2009"
_MINUS: Final = "-−–"
_EQUALS: Final = re.compile(r"\s?=")
_LIKE_A_YEAR: Final = re.compile(r"1[1-9]\d\d|20[1-9]\d")
_NOUN: Final = re.compile(rf"{SPACE}[^\W\d_]{{2}}")
_NOUN_LENGTH: Final = 20


def any_of(written: Iterable[str]) -> str:
    """A pattern of any of these texts, the longest first."""
    return "|".join(map(re.escape, sorted(written, key=len, reverse=True)))


class Amounts:
    """The rules of one language."""

    def __init__(self, language: Language) -> None:
        """Say amounts in `language`."""
        self._language = language
        self._words = language.words
        self._money = Money(language)

    def rules(self) -> list[Rule]:
        """One rule for all but heights, since they combine; and one for money, whose millions are written shorter."""
        feet = rf"{EDGE}(?P<feet>\d{{1,3}})[′'’][ ]?(?P<inches>\d{{1,2}})(?:″|”|\"|'')"
        scales = self._language.vocabulary.scales
        sums = self._pattern("", {**scales, **self._language.vocabulary.money_scales})
        return [
            Rule(re.compile(feet), self._height),
            Rule(re.compile(sums), self._say),
            Rule(re.compile(self._pattern("?", scales)), self._say),
        ]

    def leftovers(self) -> Rule:
        """Figures that belong to nothing known; so none are left out."""
        return Rule(re.compile(r"\d+"), self._leftover)

    def _pattern(self, symbol: str, scales: Iterable[str]) -> str:
        """With "?" as `symbol` the sign of a currency may be missing before the number."""
        language = self._language
        number, currency = language.number, any_of(language.vocabulary.currencies)
        unit = any_of(language.vocabulary.units)
        return (
            rf"{EDGE}(?P<sign>(?<![)\]])[-−–+±~≈]{SPACE}?)?(?:(?P<before>{currency}){SPACE}?(?P<inner>[-−])?){symbol}"
            rf"(?P<first>{number})(?:(?P<dash>[-–—]|{SPACE}[–—]{SPACE})(?:{currency})?(?P<second>{number}))?"
            rf"(?:(?P<scale>{SPACE}?(?:{any_of(scales)}))(?!\w))?"
            rf"(?:(?P<after>{SPACE}?(?:{currency}))(?!\w)|(?P<unit>(?:{SPACE}|-)?(?:{unit}))(?![\w²³]))?"
            rf"(?:/(?P<per>[^\W\d_]{{1,12}}[²³]?|\d{{1,6}})(?![\w/]))?"
        )

    def _height(self, match: re.Match[str]) -> str:
        return f"{self._language.whole(match['feet'])} {self._words.foot} {self._language.whole(match['inches'])}"

    def _leftover(self, match: re.Match[str]) -> str:
        before, after = match.string[match.start() - 1 : match.start()], match.string[match.end() : match.end() + 1]
        lead = "-" if before.isalpha() else " " if before in {",", "."} else ""
        return lead + self._language.whole(match[0]) + ("-" if after.isalpha() else "")

    def _say(self, match: re.Match[str]) -> str | None:
        vocabulary = self._language.vocabulary
        first, second = match["first"], match["second"] or ""
        if second and match["dash"] == "-" and _EQUALS.match(match.string, match.end()):
            return None  # a difference, as in "5-3=2"
        scale = (match["scale"] or "").strip(_SPACES)
        currency = vocabulary.currencies.get(match["before"] or (match["after"] or "").strip(_SPACES))
        if currency is not None:
            if self._is_attributive(match):
                currency = currency._replace(major=currency.major._replace(many=currency.major.one))
            said = self._money.say(currency, Sum(first, second, scale))
        else:
            said = self._measured(match, scale)
        return self._sign(match) + said + self._per(match["per"]) + self._ending(match)

    def _measured(self, match: re.Match[str], scale: str) -> str:
        first, second, written = match["first"], match["second"], match["unit"] or ""
        unit = self._language.vocabulary.units.get(written.strip(_SPACES + "-"))
        last = second or first
        if unit is None or scale:
            said = self._plain(match, scale) + (f" {self._language.scaled(scale, last)}" if scale else "")
            return f"{said} {unit.many}" if unit else said
        joined = written.startswith("-")
        one = joined or self._language.is_one(last) or self._is_attributive(match)
        return f"{self._numbers(first, second, unit.rules)}{'-' if joined else ' '}{unit.one if one else unit.many}"

    def _plain(self, match: re.Match[str], scale: str) -> str:
        """A number of nothing that is known; four figures are said as those of a year, whatever they are."""
        first, second = match["first"], match["second"]
        if scale:
            return self._numbers(first, second, self._language.scale_rules)
        if second is None and not match["sign"] and _LIKE_A_YEAR.fullmatch(first):
            year = int(first)
            return self._language.year(year) if year >= self._language.earliest_year else self._language.count(year)
        following = match.string[match.end() : match.end() + _NOUN_LENGTH]
        return self._numbers(first, second, self._language.rules_before(following) if _NOUN.match(following) else PLAIN)

    def _numbers(self, first: str, second: str | None, rules: str) -> str:
        said = self._language.decimal(first, rules)
        return said if second is None else f"{said} {self._words.to} {self._language.decimal(second, rules)}"

    def _is_attributive(self, match: re.Match[str]) -> bool:
        """True for "a 5 km run", which has no plural."""
        before = match.string[max(0, match.start() - len("  an ")) : match.start()]
        follows = match.string[match.end() : match.end() + 2]
        return self._language.is_attributive(before) and follows[:1] == " " and follows[1:].isalpha()

    def _sign(self, match: re.Match[str]) -> str:
        sign = (match["sign"] or "").strip(_SPACES) or (match["inner"] or "")
        words = self._words
        names = {"+": words.plus, "±": words.plus_minus, "~": words.about, "≈": words.about}
        return f"{words.minus if sign in _MINUS else names[sign]} " if sign else ""

    def _per(self, written: str | None) -> str:
        if not written:
            return ""
        if written.isdecimal():
            return f" {self._words.out_of} {self._language.whole(written)}"
        unit = self._language.vocabulary.units.get(written)
        return f" {self._words.per} {unit.one if unit else written}"

    def _ending(self, match: re.Match[str]) -> str:
        """What joins a letter that follows, and the full stop of a sentence that an abbreviated unit ended."""
        if match[0].endswith(".") and FULL_STOP.match(match.string, match.end()):
            return "."
        return "-" if match.string[match.end() : match.end() + 1].isalpha() else ""
