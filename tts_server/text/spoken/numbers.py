"""Numbers in words, by the rules of Unicode's CLDR that the package unicode-rbnf carries. Knows no text around them."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from unicode_rbnf import RbnfEngine

# The rules go as far as a quadrillion; what is longer is read as digits.
_MOST_DIGITS: Final = 15
_KEPT_NUMBERS: Final = 4_096


@lru_cache(maxsize=8)
def _engine(code: str) -> RbnfEngine:
    return RbnfEngine.for_language(code)


@lru_cache(_KEPT_NUMBERS)
def spell(code: str, number: int, rules: str = "spellout-numbering") -> str:
    """`number`, from 0 to a quadrillion, in the words of a language, by one of CLDR's sets of rules."""
    words = _engine(code).format_number(number, ruleset_names=[rules]).text
    return words.replace("\u00ad", "")


def spell_digits(code: str, digits: str) -> str:
    """Each digit as a word of its own."""
    return " ".join(spell(code, int(digit)) for digit in digits)


def spell_whole(code: str, digits: str, rules: str = "spellout-numbering") -> str:
    """A run of digits as a number; as digits where it begins with a zero, or is longer than anybody says."""
    if len(digits) > _MOST_DIGITS or (len(digits) > 1 and digits[0] == "0"):
        return spell_digits(code, digits)
    return spell(code, int(digits), rules)
