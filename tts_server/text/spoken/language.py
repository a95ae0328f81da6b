"""What the rules need to know of a language: its words, its forms of numbers, and how it says a time or a date."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from tts_server.text.spoken.numbers import spell, spell_digits, spell_whole
from tts_server.text.spoken.vocabulary import PLAIN, YEAR

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tts_server.text.spoken.scanner import Rule
    from tts_server.text.spoken.vocabulary import Vocabulary, Words

MASCULINE: Final = "spellout-cardinal-masculine"
FEMININE: Final = "spellout-cardinal-feminine"
_GROUP: Final = 3


class Date(NamedTuple):
    """A day as it was written; 0 for a part that is not there."""

    year: int
    month: int
    day: int
    last_day: int = 0
    """Of a range that begins with `day`."""
    day_leads: bool = False
    """The day was written before its month."""


@dataclass(frozen=True, eq=False)
class Language:
    """A language; each is a subclass."""

    code: str
    """As CLDR calls it."""
    vocabulary: Vocabulary
    number: str
    """Pattern of a number, without its sign."""
    decimal_marks: str
    group_marks: str
    scale_rules: str = PLAIN
    """CLDR's rules for the number before a million."""
    day_ending: str = ""
    """Pattern of what may follow the number of a day before its month."""
    month_joint: str = " "
    """Pattern between day and month."""
    year_joint: str = ",? "
    """Pattern between month and year."""
    month_first: bool = False
    """A month may stand before its day."""
    day_first: bool = True
    """Of dates in figures alone."""
    decade_lead: str = ""
    """Pattern of what stands before a decade that has two figures alone."""
    decade_ending: str = ""
    """Pattern of what makes a decade of a year."""
    ordinal_endings: str = ""
    """Pattern of what makes an ordinal of a number."""
    hour_names: str = ""
    """Pattern of a word after a time that is said within it."""
    hour_letter: str = ""
    """Pattern between hours and minutes, where it is no colon."""
    earliest_year: int = 1100
    """From here on to 1999 four figures are said as those of a year, whatever they are."""
    names_cents: bool = False
    """The hundredths of money are called by their name after whole money."""

    @property
    def words(self) -> Words:
        """Words that stand for a sign, or between numbers."""
        return self.vocabulary.words

    def whole(self, digits: str, rules: str = PLAIN) -> str:
        """A run of digits in words."""
        return spell_whole(self.code, digits, rules)

    def count(self, number: int, rules: str = PLAIN) -> str:
        """A number in words."""
        return spell(self.code, number, rules)

    def digits(self, digits: str) -> str:
        """Each digit in words."""
        return spell_digits(self.code, digits)

    def split(self, written: str) -> tuple[str, str, str]:
        """The whole part of a number, its decimals, and the mark between them as it was written."""
        marks = [place for place, character in enumerate(written) if character in self.decimal_marks]
        if marks and not self.is_grouped(written):
            whole, mark, decimals = written[: marks[-1]], written[marks[-1]], written[marks[-1] + 1 :]
        else:
            whole, mark, decimals = written, "", ""
        return "".join(filter(str.isdecimal, whole)), decimals, mark

    def is_grouped(self, written: str) -> bool:
        """True if all marks in a number are between groups of three figures."""
        first, *groups = re.split(f"[{self.group_marks}]", written)
        return (
            bool(groups)
            and len(first) <= _GROUP
            and all(len(group) == _GROUP and group.isdecimal() for group in groups)
        )

    def decimal(self, written: str, rules: str = PLAIN) -> str:
        """A number as it was written, with decimals or without, in words."""
        whole, decimals, mark = self.split(written)
        if not decimals:
            return self.whole(whole, rules)
        before = f"{self.whole(whole)} " if whole else ""
        return f"{before}{self.point(mark)} {self.decimals(decimals)}"

    def point(self, mark: str) -> str:
        """The mark before decimals."""
        return self.words.point if mark else ""

    def decimals(self, digits: str) -> str:
        """What follows the point."""
        return self.digits(digits)

    def year(self, year: int) -> str:
        """A year in words."""
        return self.count(year, YEAR)

    def decimals_as_number(self, digits: str) -> str:
        """What follows the point, as one number where it is short: "three comma fourteen"."""
        number = digits.lstrip("0")
        if not number or len(number) > _GROUP:
            return self.digits(digits)
        return " ".join([*([self.count(0)] * (len(digits) - len(number))), self.whole(number)])

    def is_attributive(self, before: str) -> bool:
        """True if a unit has its singular after `before`, whatever its number: "a five kilometer run"."""
        del before
        return False

    def is_one(self, written: str) -> bool:
        """True if a unit after this number has its singular."""
        return written == "1"

    def rules_before(self, following: str) -> str:
        """CLDR's rules for a number before a word; `following` is what follows the number."""
        del following
        return PLAIN

    def scaled(self, written: str, number: str) -> str:
        """A thousand or more, after `number`."""
        vocabulary = self.vocabulary
        one, many = vocabulary.scales.get(written) or vocabulary.money_scales[written]
        return one if self.is_one(number) else many

    def roman(self, number: int, name: str) -> str:
        """A Roman number after the name of a king."""
        del name
        return self.count(number)

    def before_money(self, name: str) -> str:
        """What stands between a million and the money that it is of, with that."""
        return name

    def extra_rules(self) -> Sequence[Rule]:
        """Rules of this language alone; they come first."""
        return ()

    def decade(self, year: int) -> str:
        """The ten years from `year` on."""
        raise NotImplementedError

    def mixed(self, whole: int, numerator: int, denominator: int) -> str:
        """A number with a fraction after it."""
        raise NotImplementedError

    def fraction(self, numerator: int, denominator: int) -> str:
        """A fraction in words."""
        raise NotImplementedError

    def ordinal(self, number: int, ending: str, before: str) -> str:
        """An ordinal number, written with `ending`, after the text `before`."""
        raise NotImplementedError

    def clock(self, hour: int, minute: int, second: int | None) -> str:
        """A time of day."""
        raise NotImplementedError

    def date(self, date: Date, before: str) -> str:
        """A day, after the text `before`."""
        raise NotImplementedError
