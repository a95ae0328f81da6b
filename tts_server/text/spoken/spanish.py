"""Spanish."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tts_server.text.spoken.language import Language
from tts_server.text.spoken.vocabulary import FEMININE, MASCULINE, PLAIN, load

if TYPE_CHECKING:
    from tts_server.text.spoken.language import Date

# Kings and centuries have ordinals as far as ten.
_TEN: Final = 10
_TWENTY: Final = 20
_ORDINAL_PARTS: Final = frozenset([*range(2, 11), 100, 1000])
_FEMININE_ENDINGS: Final = ("a", "as", "ción", "ciones", "dad", "dades")
# As in Spain, or with a comma between groups and a point before decimals, as in Mexico.
_NUMBER: Final = (
    r"(?:\d{1,3}(?:,\d{3}){1,6}\.\d+|(?:\d{1,3}(?:[.\u00a0\u202f]\d{3}){1,6}(?!\d)|\d{1,3}(?: \d{3}){1,6}(?!\d)|\d+)"
    r"(?:[.,]\d+)?)"
)


class Spanish(Language):
    """Spanish, as in Spain; numbers also as they are written in America."""

    def rules_before(self, following: str) -> str:
        """Such as "Veintiuna horas", "un libro"; the gender of most words is told by their last letter."""
        word = following.strip().partition(" ")[0].strip(".,;:!?")
        if word in self.vocabulary.no_nouns:
            return PLAIN
        return (
            FEMININE
            if word.endswith(("a", "as", "ción", "ciones", "dad", "dades"))
            and word not in self.vocabulary.masculine_nouns
            else MASCULINE
        )

    def decimals(self, digits: str) -> str:
        """Such as "Tres coma catorce"."""
        return self.decimals_as_number(digits)

    def point(self, mark: str) -> str:
        """The mark as it was written: which one it is depends on the land."""
        return "punto" if mark == "." else "coma"

    def before_money(self, name: str) -> str:
        """Such as "Millones de euros"."""
        return f"de {name}"

    def fraction(self, numerator: int, denominator: int) -> str:
        """Such as "Tres cuartos"."""
        if not numerator or not (1 < denominator <= _TWENTY or denominator in _ORDINAL_PARTS):
            return f"{self.count(numerator)} sobre {self.count(denominator)}"
        names = {2: "medio", 3: "tercio", 20: "veinteavo"}
        ending = "avo" if denominator > _TEN else ""
        ordinal = self.count(denominator, "spellout-ordinal-masculine") if denominator in _ORDINAL_PARTS else ""
        name = names.get(denominator) or ordinal or f"{self.count(denominator)}{ending}"
        return f"un {name}" if numerator == 1 else f"{self.count(numerator)} {name}s"

    def mixed(self, whole: int, numerator: int, denominator: int) -> str:
        """Such as "Uno y medio"."""
        part = self.fraction(numerator, denominator)
        return f"{self.count(whole)} y {'medio' if part == 'un medio' else part}"

    def ordinal(self, number: int, ending: str, before: str) -> str:
        """Such as "Primero", "primera", "primer"."""
        del before
        gender = "feminine" if "ª" in ending or ending in {"a", "ra", "da"} else "masculine"
        adjective = "-adjective" if ending.endswith("er") else ""
        return self.count(number, f"spellout-ordinal-{gender}{adjective}")

    def roman(self, number: int, name: str) -> str:
        """Such as "Felipe sexto", "Alfonso trece"."""
        gender = "feminine" if name in self.vocabulary.queens else "masculine"
        return self.count(number, f"spellout-ordinal-{gender}") if number <= _TEN else self.count(number)

    def decade(self, year: int) -> str:
        """As a number."""
        return self.count(year)

    def clock(self, hour: int, minute: int, second: int | None) -> str:
        """Such as "Catorce treinta"."""
        said = self.count(hour, FEMININE)
        if second is not None:
            return f"{said} horas {self.count(minute)} minutos y {self.count(second)} segundos"
        if not minute:
            return f"{said} en punto"
        return f"{said} {'y ' if minute < _TEN else ''}{self.count(minute)}"

    def date(self, date: Date, before: str) -> str:
        """Such as "Quince de marzo de dos mil veinticuatro"."""
        del before
        day = self.count(date.day)
        if date.last_day:
            day += f" al {self.count(date.last_day)}"
        said = f"{day} de {self.words.month_names[date.month - 1]}"
        return said + (f" de {self.year(date.year)}" if date.year else "")


SPANISH: Final = Spanish(
    code="es",
    vocabulary=load("es"),
    number=_NUMBER,
    decimal_marks=",.",
    group_marks=" .\u00a0\u202f",
    scale_rules=MASCULINE,
    month_joint="(?: de)? ",
    year_joint="(?: de| del|,)? ",
    ordinal_endings=r"\.?[ºª]|\.er|er|ro|ra|do|da",
)
