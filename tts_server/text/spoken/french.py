"""French."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tts_server.text.spoken.language import Language
from tts_server.text.spoken.vocabulary import FEMININE, MASCULINE, PLAIN, load

if TYPE_CHECKING:
    from tts_server.text.spoken.language import Date

_VOWELS: Final = frozenset("aeiouyéèêhAEIOUYÉÈÊH")


class French(Language):
    """French, as in France."""

    def rules_before(self, following: str) -> str:
        """Such as "Vingt-et-une heures"; the gender of most words is not known."""
        word = following.strip().partition(" ")[0].strip(".,;:!?")
        return FEMININE if word in self.vocabulary.feminine_nouns else MASCULINE

    def decimals(self, digits: str) -> str:
        """Such as "Trois virgule quatorze"."""
        return self.decimals_as_number(digits)

    def year(self, year: int) -> str:
        """As any number, which is how most people say it today."""
        return self.count(year)

    def is_one(self, written: str) -> bool:
        """The plural begins with two: "1,5 kilomètre"."""
        return self.split(written)[0] in {"0", "1"}

    def before_money(self, name: str) -> str:
        """Such as "Millions d'euros"."""
        return f"d'{name}" if name[0] in _VOWELS else f"de {name}"

    def fraction(self, numerator: int, denominator: int) -> str:
        """Such as "Trois quarts"."""
        if not numerator or denominator < len("12"):
            return f"{self.count(numerator)} sur {self.count(denominator)}"
        names = {2: ("demi", "demis"), 3: ("tiers", "tiers"), 4: ("quart", "quarts")}
        ordinal = self.count(denominator, "spellout-ordinal-masculine")
        one, many = names.get(denominator, (ordinal, f"{ordinal}s"))
        return f"{self.count(numerator)} {one if numerator == 1 else many}"

    def mixed(self, whole: int, numerator: int, denominator: int) -> str:
        """Such as "Un et demi"."""
        part = self.fraction(numerator, denominator)
        return f"{self.count(whole)} et {'demi' if part == 'un demi' else part}"

    def ordinal(self, number: int, ending: str, before: str) -> str:
        """Such as "Première"."""
        del before
        feminine = ending in {"re", "ère", "ere", "nde"}
        return self.count(number, f"spellout-ordinal-{'feminine' if feminine else 'masculine'}")

    def roman(self, number: int, name: str) -> str:
        """Such as "Louis quatorze", "Napoléon premier"."""
        del name
        return "premier" if number == 1 else self.count(number)

    def decade(self, year: int) -> str:
        """As a number: French has no plural of it."""
        return self.count(year)

    def clock(self, hour: int, minute: int, second: int | None) -> str:
        """Such as "Quatorze heures trente"."""
        said = f"{self.count(hour, FEMININE)} {'heure' if hour <= 1 else 'heures'}"
        if minute or second:
            said += f" {self.count(minute, FEMININE)}"
        return said + (f" et {self.count(second, FEMININE)} secondes" if second else "")

    def date(self, date: Date, before: str) -> str:
        """Such as "Quinze mars deux mille vingt-quatre"."""
        del before
        day = "premier" if date.day == 1 else self.count(date.day)
        if date.last_day:
            day += f" au {self.count(date.last_day)}"
        said = f"{day} {self.words.month_names[date.month - 1]}"
        return said + (f" {self.year(date.year)}" if date.year else "")


FRENCH: Final = French(
    code="fr",
    vocabulary=load("fr"),
    number=r"(?:\d{1,3}(?:[ \u00a0\u202f]\d{3}){1,6}(?!\d)|\d+)(?:[.,]\d+)?",
    decimal_marks=",.",
    group_marks=" \u00a0\u202f",
    scale_rules=PLAIN,
    day_ending="(?:er)?",
    year_joint=" ",
    ordinal_endings="er|re|ère|ere|e|ème|eme|nd|nde",
    hour_letter="[hH]",
)
