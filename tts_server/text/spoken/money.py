"""Sums of money in words. Knows no pattern: what is written has been taken apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from tts_server.text.spoken.language import Language
    from tts_server.text.spoken.vocabulary import Currency, Unit

_CENTS: Final = 2


class Sum(NamedTuple):
    """A sum, or a range of sums, as it was written."""

    first: str
    second: str
    """The end of a range; empty: it is none."""
    scale: str
    """What follows the number, as "million"; empty: nothing does."""


class Money:
    """Says sums in one language."""

    def __init__(self, language: Language) -> None:
        """Say them in `language`."""
        self._language = language

    def say(self, currency: Currency, written: Sum) -> str:
        """A sum of money."""
        last = written.second or written.first
        if written.scale:
            name = self._language.before_money(currency.major.many)
            number = self._numbers(written, self._language.scale_rules)
            return f"{number} {self._language.scaled(written.scale, last)} {name}"
        if currency.minor is None or any(self._is_decimal(each) for each in (written.first, last)):
            name = currency.major.one if self._language.is_one(last) else currency.major.many
            return f"{self._numbers(written, currency.major.rules)} {name}"
        if not written.second:
            return self._exact(currency, written.first)
        if self._cents(written.first) or self._cents(last):
            return f"{self._exact(currency, written.first)} {self._language.words.to} {self._exact(currency, last)}"
        first = self._language.whole(self._whole(written.first), currency.major.rules)
        return f"{first} {self._language.words.to} {self._exact(currency, last)}"

    def _numbers(self, written: Sum, rules: str) -> str:
        first = self._language.decimal(written.first, rules)
        if not written.second:
            return first
        return f"{first} {self._language.words.to} {self._language.decimal(written.second, rules)}"

    def _is_decimal(self, number: str) -> bool:
        """True for more decimals than there are hundredths."""
        return len(self._language.split(number)[1].rstrip("0")) > _CENTS

    def _whole(self, number: str) -> str:
        return self._language.split(number)[0]

    def _cents(self, number: str) -> int:
        """Hundredths: 50 for ".5" and ".500" as well."""
        return int(self._language.split(number)[1].ljust(_CENTS, "0")[:_CENTS])

    def _exact(self, currency: Currency, number: str) -> str:
        whole, count, minor = self._whole(number), self._cents(number), currency.minor
        if not count or minor is None:
            return self._counted(whole, currency.major)
        if not whole.strip("0"):
            return self._counted(str(count), minor)
        said = f"{self._counted(whole, currency.major)}{self._language.words.cent_joint}"
        return said + (self._counted(str(count), minor) if self._language.names_cents else self._language.count(count))

    def _counted(self, digits: str, unit: Unit) -> str:
        name = unit.one if self._language.is_one(digits) else unit.many
        return f"{self._language.whole(digits, unit.rules)} {name}"
