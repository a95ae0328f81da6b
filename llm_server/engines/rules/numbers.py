"""Numbers between words and figures, in English. Pure."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Final

from llm_server import exact

_UNITS: Final = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_TENS: Final = "twenty thirty forty fifty sixty seventy eighty ninety"
_ONES = {word: value for value, word in enumerate(_UNITS.split())}
_TENS_VALUES = {word: 10 * value for value, word in enumerate(_TENS.split(), start=2)}
_SMALL = _ONES | _TENS_VALUES
_SCALES = {"hundred": 100, "thousand": 1_000, "million": 1_000_000, "billion": 1_000_000_000}
_WORD = re.compile(r"\d+(?:\.\d+)?|[^\W\d_]+(?:'[^\W\d_]+)*'?|[^\w\s]|_")
# "three point one four" by its figures, "three point fourteen" at once.
_DECIMALS = re.compile(r"(?:\b(\d+) )?\bpoint (\d(?: \d)*(?![\d.])|\d+)(?! \. ?\d)")
_PARTS: Final = (
    (re.compile(r"\b(\d+) and (?:a|1) half\b"), r"\1.5"),
    (re.compile(r"\b(\d+) and (?:a|1) quarter\b"), r"\1.25"),
    (re.compile(r"\b(\d+) and 3 quarters\b"), r"\1.75"),
)


class TooLarge(ArithmeticError):
    """The number is larger than what can be said."""


def digits(text: str) -> str:
    """`text` in small letters, its words and signs apart, and its number words as figures: "3.5 times 2"."""
    folded = re.sub(r"(?<=[a-z])-(?=[a-z])", " ", text.casefold().replace(",", ""))
    folded = re.sub(r"(?<![\w.])\.(?=\d)", "0.", folded)
    line = " ".join(_counted(_WORD.findall(folded)))
    line = _DECIMALS.sub(lambda found: f"{found[1] or 0}.{found[2].replace(' ', '')}", line)
    for pattern, decimals in _PARTS:
        line = pattern.sub(decimals, line)
    return line


def _counted(words: list[str]) -> list[str]:
    out: list[str] = []
    # Of the number that is being said: its thousands and more, what comes after them, and its last word.
    total = current = 0
    last = ""
    for place, word in enumerate(words):
        following = words[place + 1] if place + 1 < len(words) else ""
        if word in _SMALL:
            if last and not _goes_on(current, total, last, word):
                out.append(str(total + current))
                total = current = 0
            current, last = current + _SMALL[word], word
        elif word in _SCALES and (last or (place and words[place - 1] == "a")):
            current = (current or 1) * _SCALES[word]
            if word != "hundred":
                total, current = total + current, 0
            last = word
        elif word == "and" and last in _SCALES and following in _SMALL:
            continue
        else:
            if last:
                out.append(str(total + current))
            total = current = 0
            last = ""
            out.append(word)
    return [*out, str(total + current)] if last else out


def _goes_on(current: int, total: int, last: str, word: str) -> bool:
    """Whether a small number word belongs to the number before it: "twenty" "five", not "three" "five"."""
    if last in _SCALES:
        return bool(current or total)
    return last in _TENS_VALUES and 0 < _ONES.get(word, 0) < 10  # noqa: PLR2004 - of English numerals


def say(value: Fraction) -> str:
    """A number in words, to two decimals.

    Raises:
        TooLarge: it is beyond the thousands of billions.
    """
    if value < 0:
        return f"minus {say(-value)}"
    rounded = round(value * 100)
    whole, hundredths = divmod(rounded, 100)
    about = "" if Fraction(rounded, 100) == value else "about "
    words = in_words(whole)
    if not hundredths:
        return f"{about}{words}"
    decimals = f"{hundredths:02d}".rstrip("0")
    return f"{about}{words} point {' '.join(_UNITS.split()[int(digit)] for digit in decimals)}"


def in_words(number: int) -> str:
    """A whole number, zero or more, in words.

    Raises:
        TooLarge: it is beyond the thousands of billions.
    """
    if number >= exact.LARGEST:
        raise TooLarge
    if number < 20:  # noqa: PLR2004 - where English begins to count regularly
        return _UNITS.split()[number]
    if number < 100:  # noqa: PLR2004 - of English numerals
        tens, ones = divmod(number, 10)
        return _TENS.split()[tens - 2] + (f"-{_UNITS.split()[ones]}" if ones else "")
    name, size = next((name, size) for name, size in reversed(_SCALES.items()) if number >= size)
    many, rest = divmod(number, size)
    joint = " and " if size == 100 or rest < 100 else " "  # noqa: PLR2004 - of English numerals
    return f"{in_words(many)} {name}" + (f"{joint}{in_words(rest)}" if rest else "")
