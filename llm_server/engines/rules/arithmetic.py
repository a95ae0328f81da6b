"""Sums, said in words or digits: finds the calculation in a sentence, works it out, and says the result.

A tiny parser of its own: numbers, the four operations, powers, roots, squares, halves and percentages.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from math import isqrt
from typing import Final

from llm_server import exact

_UNITS: Final = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_TENS: Final = "twenty thirty forty fifty sixty seventy eighty ninety"
_ONES = {word: value for value, word in enumerate(_UNITS.split())}
_TENS_VALUES = {word: 10 * value for value, word in enumerate(_TENS.split(), start=2)}
_SCALES = {"hundred": 100, "thousand": 1_000, "million": 1_000_000, "billion": 1_000_000_000}
_OPERATORS: Final = (
    (r"\b(?:multiplied by|times)\b|×|\*|(?<=\d)\s*x\s*(?=\d)", "*"),
    (r"\b(?:divided by|over)\b|÷|/", "/"),
    (r"\b(?:plus|added to|and then)\b", "+"),
    (r"\bminus\b", "-"),
    (r"\b(?:to the power of|raised to)\b", "^"),
    (r"\bsquared\b", "^ 2"),
    (r"\bcubed\b", "^ 3"),
    (r"\b(?:the )?square root of\b", "sqrt"),
    (r"\b(?:percent|per cent) of\b|%\s*of\b", "% *"),
    (r"\b(?:a )?half of\b", "1 / 2 *"),
    (r"\b(?:a )?quarter of\b", "1 / 4 *"),
    (r"\b(?:a )?third of\b", "1 / 3 *"),
    (r"\b(?:twice|double)\b", "2 *"),
)
_TOKEN = re.compile(r"\d+(?:\.\d+)?|sqrt|[-+*/^%]")
# "555-1234" and "5/6" are telephone numbers and dates, unless they are all that is asked.
_NUMBER_WITH_MARKS = re.compile(r"\d\s*[-/]\s*\d")
_ASKED = re.compile(
    r"(?:what(?: ' s| is|'s)|how much is|calculate|compute|work out)?[\s\d.+*/x^()-]*(?:please|equals?)?[\s?.!=]*"
)
_SPOKEN = {"*": "times", "/": "divided by", "+": "plus", "-": "minus", "^": "to the power of"}
# Nobody says a longer one, and its parts are looked at by expressions that take time with the square of its length.
_LONGEST: Final = 1_000
_MOST_SIGNS: Final = 8


class Unspeakable(Exception):
    """The calculation has no result that can be said; the message says why."""


@dataclass(frozen=True, slots=True)
class Sum:
    """A calculation."""

    tokens: tuple[str, ...]
    """Numbers and operators."""


def find(text: str) -> Sum | None:
    """The calculation in `text`; None when there is none, only a number, or more text than anybody says."""
    if len(text) > _LONGEST:
        return None
    line = _digits(text.casefold().replace(",", ""))
    if _NUMBER_WITH_MARKS.search(line) and not _ASKED.fullmatch(line):
        return None
    for pattern, operator in _OPERATORS:
        line = re.sub(pattern, f" {operator} ", line)
    best: list[str] = []
    for run in re.findall(r"(?:(?:\d+(?:\.\d+)?|sqrt|[-+*/^%])\s*)+", line):
        tokens = _TOKEN.findall(run)
        if len(tokens) > len(best) and any(not _is_number(token) for token in tokens):
            best = tokens
    while best and not _is_number(best[-1]) and best[-1] != "%":
        best.pop()
    while best and best[0] not in ("sqrt", "-") and not _is_number(best[0]):
        best.pop(0)
    return Sum(tuple(best)) if any(_is_number(t) for t in best) and len(best) > 1 else None


def work_out(calculation: Sum) -> str:
    """The result as a sentence.

    Raises:
        Unspeakable: a division by zero, a number that is too large, or something that is no calculation.
    """
    parser = _Parser(list(calculation.tokens))
    try:
        value = parser.whole()
    except exact.OutOfReach:
        raise Unspeakable("That is more than I can count.") from None
    asked = " ".join(_word(token) for token in calculation.tokens)
    asked = asked.replace("percent times", "percent of").replace("1 divided by 2 times", "half of")
    asked = asked.replace("to the power of 2", "squared").replace("one divided by two times", "half of")
    said = say(value)
    return f"{asked[:1].upper()}{asked[1:]} is {said}."


def say(value: Fraction) -> str:
    """A number in words, to two decimals."""
    if value < 0:
        return f"minus {say(-value)}"
    rounded = round(value * 100)
    whole, hundredths = divmod(rounded, 100)
    about = "" if Fraction(rounded, 100) == value else "about "
    words = _in_words(whole)
    if not hundredths:
        return f"{about}{words}"
    decimals = f"{hundredths:02d}".rstrip("0")
    return f"{about}{words} point {' '.join(_UNITS.split()[int(digit)] for digit in decimals)}"


def _in_words(number: int) -> str:
    if number < 20:  # noqa: PLR2004 - where English begins to count regularly
        return _UNITS.split()[number]
    if number < 100:  # noqa: PLR2004 - of English numerals
        tens, ones = divmod(number, 10)
        return _TENS.split()[tens - 2] + (f"-{_UNITS.split()[ones]}" if ones else "")
    for name, size in (("billion", 10**9), ("million", 10**6), ("thousand", 1_000), ("hundred", 100)):
        if number >= size:
            many, rest = divmod(number, size)
            joint = " and " if size == 100 or rest < 100 else " "  # noqa: PLR2004 - of English numerals
            return f"{_in_words(many)} {name}" + (f"{joint}{_in_words(rest)}" if rest else "")
    raise Unspeakable("That is more than I can count.")


def _word(token: str) -> str:
    if token == "sqrt":
        return "the square root of"
    if token == "%":
        return "percent"
    return _SPOKEN.get(token) or (say(Fraction(token)) if _is_number(token) else token)


def _is_number(token: str) -> bool:
    return token[0].isdigit()


def _digits(text: str) -> str:
    """`text` with its number words as digits."""
    out: list[str] = []
    total = current = 0
    counting = False

    def end() -> None:
        nonlocal total, current, counting
        if counting:
            out.append(str(total + current))
        total = current = 0
        counting = False

    words = re.findall(
        r"\d+(?:\.\d+)?|[a-z']+|[^\sa-z\d]", text.replace("-", " ") if re.search(r"[a-z]-[a-z]", text) else text
    )
    for place, word in enumerate(words):
        if word in _ONES or word in _TENS_VALUES:
            value = _ONES.get(word, _TENS_VALUES.get(word, 0))
            if counting and (current % 10 or (word in _ONES and current % 100 and value > 9)):  # noqa: PLR2004 - of English numerals
                end()
            current, counting = current + value, True
        elif word in _SCALES and (counting or (place and words[place - 1] == "a")):
            scale = _SCALES[word]
            current = (current or 1) * scale
            if scale > 100:  # noqa: PLR2004 - of English numerals
                total, current = total + current, 0
            counting = True
        elif (
            word == "and"
            and counting
            and place + 1 < len(words)
            and (total or current >= 100)  # noqa: PLR2004 - the English "and" follows a hundred
            and (words[place + 1] in _ONES or words[place + 1] in _TENS_VALUES)
        ):
            continue
        else:
            end()
            out.append(word)
    end()
    return " ".join(out)


class _Parser:
    """Precedence climbing over the tokens: sums, products, powers, signs and roots."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._at = 0

    def whole(self) -> Fraction:
        value = self._sum()
        if self._at < len(self._tokens):
            raise Unspeakable("I could not work that out.")
        return exact.within_reach(value)

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _take(self) -> str:
        token = self._peek()
        self._at += 1
        return token

    def _sum(self) -> Fraction:
        value = self._product()
        while self._peek() in ("+", "-"):
            operator, other = self._take(), self._product()
            value = exact.within_reach(value + other if operator == "+" else value - other)
        return value

    def _product(self) -> Fraction:
        value = self._power()
        while self._peek() in ("*", "/"):
            operator, other = self._take(), self._power()
            if operator == "/" and not other:
                raise Unspeakable("Nothing can be divided by zero.")
            value = exact.within_reach(value * other if operator == "*" else value / other)
        return value

    def _power(self) -> Fraction:
        value = self._atom()
        while self._peek() in ("^", "%"):
            if self._take() == "%":
                value = exact.within_reach(value / 100)
                continue
            exponent = self._atom()
            if exponent.denominator != 1 or abs(exponent) > exact.LARGEST_POWER or (not value and exponent < 0):
                raise Unspeakable("That power is too much for me.")
            value = exact.power(value, exponent)
        return value

    def _atom(self) -> Fraction:
        """A number, with the signs and roots before it, the innermost of which comes first."""
        before: list[str] = []
        while self._peek() in ("-", "sqrt") and len(before) <= _MOST_SIGNS:
            before.append(self._take())
        token = self._take()
        if not token or not _is_number(token):
            raise Unspeakable("I could not work that out.")
        value = exact.within_reach(Fraction(token))
        for sign in reversed(before):
            value = -value if sign == "-" else self._root(value)
        return value

    @staticmethod
    def _root(value: Fraction) -> Fraction:
        if value < 0:
            raise Unspeakable("A negative number has no real square root.")
        scale = 10**6
        return Fraction(isqrt(value.numerator * scale * scale // value.denominator), scale)
