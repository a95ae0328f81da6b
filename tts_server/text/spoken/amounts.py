"""Numbers and what is counted with them: money, units, percentages, ranges, scales, signs before them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from tts_server.text.spoken.scanner import Rule
from tts_server.text.spoken.vocabulary import PLAIN

if TYPE_CHECKING:
    from tts_server.text.spoken.language import Language
    from tts_server.text.spoken.vocabulary import Currency, Unit

SPACE: Final = "[ \u00a0\u202f\u2009]"
_CENTS: Final = 2
_MINUS: Final = "-−–"
FULL_STOP: Final = re.compile(r"\s+[^\sa-z]|\s*$")
"""What follows a full stop that ends a sentence."""

_LIKE_A_YEAR: Final = re.compile(r"1[1-9]\d\d|20[1-9]\d")


def any_of(written: object) -> str:
    """A pattern of any of these texts, the longest first."""
    texts = sorted(map(str, written), key=len, reverse=True)  # type: ignore[call-overload]
    return "|".join(map(re.escape, texts))


class Amounts:
    """The rules of one language."""

    def __init__(self, language: Language) -> None:
        """Say amounts in `language`."""
        self._language = language
        self._words = language.words

    def rules(self) -> list[Rule]:
        """One rule for all, since they combine."""
        language = self._language
        number, currency = language.number, any_of(language.vocabulary.currencies)
        scale = any_of(language.vocabulary.scales)
        pattern = (
            rf"(?<![\w.,/])(?P<sign>(?<![)\]])[-−–+±~≈]{SPACE}?)?(?:(?P<before>{currency}){SPACE}?(?P<inner>[-−])?)?"
            rf"(?P<first>{number})(?:(?P<dash>[-–—]|{SPACE}[–—]{SPACE})(?:{currency})?(?P<second>{number}))?"
            rf"(?:(?P<scale>{SPACE}?(?:{scale}))(?![\w]))?"
            rf"(?:(?P<after>{SPACE}?(?:{currency}))(?!\w)|(?P<unit>(?:{SPACE}|-)?(?:{any_of(language.vocabulary.units)}))(?![\w²³]))?"
            rf"(?:/(?P<per>[^\W\d_]{{1,12}}[²³]?)(?!\w))?"
        )
        feet = r"(?<![\w.,])(?P<feet>\d{1,3})[′'’][ ]?(?P<inches>\d{1,2})(?:″|”|\"|'')"
        return [Rule(re.compile(feet), self._height), Rule(re.compile(pattern), self._say)]

    def _height(self, match: re.Match[str]) -> str:
        return f"{self._language.whole(match['feet'])} {self._words.foot} {self._language.whole(match['inches'])}"

    def _say(self, match: re.Match[str]) -> str | None:
        found = match.groupdict()
        first, second = found["first"], found["second"]
        if second and self._is_difference(match):
            return None
        symbol = found["before"] or (found["after"] or "").strip()
        currency = self._language.vocabulary.currencies.get(symbol) if symbol else None
        unit = self._language.vocabulary.units.get((found["unit"] or "").strip(" -\u00a0\u202f\u2009"))
        last = second or first
        if currency is not None:
            said = self._money(currency, found)
        elif unit is not None and not found["scale"]:
            joint = "-" if (found["unit"] or "").startswith("-") else " "
            one = joint == "-" or self._language.is_one(last) or self._is_attributive(match)
            name = unit.one if one else unit.many
            said = f"{self._numbers(first, second, unit.rules)}{joint}{name}"
        else:
            said = self._plain(match, first, second) + self._scale(found["scale"], last)
            said += f" {unit.many}" if unit else ""
        return self._sign(found) + said + self._per(found["per"]) + self._ending(match)

    def _ending(self, match: re.Match[str]) -> str:
        """What joins a letter that follows, and the full stop of a sentence that an abbreviated unit ended."""
        if match[0].endswith(".") and FULL_STOP.match(match.string, match.end()):
            return "."
        return "-" if match.string[match.end() : match.end() + 1].isalpha() else ""

    def _plain(self, match: re.Match[str], first: str, second: str | None) -> str:
        """A number of nothing that is known; four figures are said as those of a year, whatever they are."""
        if match["scale"]:
            return self._numbers(first, second, self._language.scale_rules)
        if second is None and not match["sign"] and _LIKE_A_YEAR.fullmatch(first):
            return self._language.year(int(first))
        return self._numbers(first, second, self._rules_before_noun(match))

    def _is_attributive(self, match: re.Match[str]) -> bool:
        """True for "a 5 km run", which has no plural."""
        before = match.string[max(0, match.start() - len("  an ")) : match.start()]
        follows = match.string[match.end() : match.end() + 2]
        return self._language.is_attributive(before) and follows[:1] == " " and follows[1:].isalpha()

    def _is_difference(self, match: re.Match[str]) -> bool:
        """True for "5-3=2", which is no range."""
        return match["dash"] == "-" and bool(re.compile(r"\s?=").match(match.string, match.end()))

    def _rules_before_noun(self, match: re.Match[str]) -> str:
        """How the number is said before a word that is counted with it."""
        follows = re.compile(rf"{SPACE}[^\W\d_]{{2}}").match(match.string, match.end())
        return self._language.rules_before(match.string[match.end() :][:20]) if follows else PLAIN

    def _numbers(self, first: str, second: str | None, rules: str) -> str:
        said = self._language.decimal(first, rules)
        return said if second is None else f"{said} {self._words.to} {self._language.decimal(second, rules)}"

    def _scale(self, written: str | None, number: str) -> str:
        if not written:
            return ""
        return " " + self._language.scaled(written.strip(" \u00a0\u202f\u2009"), number)

    def _money(self, currency: Currency, found: dict[str, str | None]) -> str:
        first, second = found["first"] or "", found["second"]
        whole, cents, _ = self._language.split(second or first)
        if found["scale"] or (cents and len(cents) != _CENTS) or currency.minor is None:
            if not found["scale"]:
                return f"{self._numbers(first, second, currency.major.rules)} {currency.major.many}"
            numbers = self._numbers(first, second, self._language.scale_rules)
            name = self._language.before_money(currency.major.many)
            return f"{numbers}{self._scale(found['scale'], second or first)} {name}"
        before = f"{self._money_of(currency, *self._language.split(first)[:2])} {self._words.to} " if second else ""
        if second and not cents and not self._language.split(first)[1]:
            before = f"{self._language.decimal(first, currency.major.rules)} {self._words.to} "
        return before + self._money_of(currency, whole, cents)

    def _money_of(self, currency: Currency, whole: str, cents: str) -> str:
        count = int(cents or "0")
        minor = currency.minor
        if not count or minor is None:
            return self._counted(whole, currency.major)
        if whole.strip("0") == "":
            return self._counted(str(count), minor)
        said = f"{self._counted(whole, currency.major)}{self._words.cent_joint}"
        return said + (self._counted(str(count), minor) if self._language.names_cents else self._language.count(count))

    def _counted(self, digits: str, unit: Unit) -> str:
        name = unit.one if self._language.is_one(digits) else unit.many
        return f"{self._language.whole(digits, unit.rules)} {name}"

    def _sign(self, found: dict[str, str | None]) -> str:
        sign = (found["sign"] or "").strip(" \u00a0\u202f\u2009") or (found["inner"] or "")
        words = self._words
        names = {"+": words.plus, "±": words.plus_minus, "~": words.about, "≈": words.about}
        return f"{words.minus if sign in _MINUS else names[sign]} " if sign else ""

    def _per(self, written: str | None) -> str:
        if not written:
            return ""
        unit = self._language.vocabulary.units.get(written)
        return f" {self._words.per} {unit.one if unit else written}"
