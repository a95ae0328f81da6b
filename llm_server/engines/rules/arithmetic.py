"""Sums, said in words or digits: finds the calculation in a sentence, works it out, and says the result.

A tiny parser of its own: numbers, the four operations, parentheses, powers, roots, squares, halves and percentages.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from math import isqrt
from typing import Final

from llm_server import exact
from llm_server.engines.rules.asked import LONGEST
from llm_server.engines.rules.numbers import TooLarge, digits, say

_NUMBER = r"(\d+(?:\.\d+)?)"
# Where the operation is said first.
_VERBS: Final = (
    (rf"\bdivide {_NUMBER} by {_NUMBER}", r"\1 / \2"),
    (rf"\bmultiply {_NUMBER} (?:by|with|and) {_NUMBER}", r"\1 * \2"),
    (rf"\b(?:subtract|take) {_NUMBER} (?:away )?from {_NUMBER}", r"\2 - \1"),
    (rf"\b(?:add|(?:the )?sum of) {_NUMBER} (?:and|to|plus) {_NUMBER}", r"\1 + \2"),
    (rf"\b(?:what is|what 's|what's|how much is) {_NUMBER} and {_NUMBER}", r"\1 + \2"),
)
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
    (r"\b(?:percent|per cent)\b", "%"),
    # An amount of money is a number.
    (r"(?<=\d) (?:dollars?|euros?|pounds?|bucks)\b|[$€£](?= ?\d)", ""),
    # "Half of my friends" is no sum.
    (r"\b(?:a )?half of (?=\d)", "1 / 2 *"),
    (r"\b(?:a )?quarter of (?=\d)", "1 / 4 *"),
    (r"\b(?:a )?third of (?=\d)", "1 / 3 *"),
    (r"\b(?:twice|double) (?=\d)", "2 *"),
)
# "A quarter plus three fifths", where there is something to do with them.
_PARTS: Final = {"half": 2, "third": 3, "quarter": 4, "fifth": 5, "eighth": 8, "tenth": 10}
_FRACTION = re.compile(rf"\b(\d+|an?) ({'|'.join(_PARTS)})s?\b(?! of\b)")
_OPERATION_SAID = re.compile(r"\b(?:plus|minus|times|divided by|multiplied by)\b")
# Signs that make a sum of numbers; a percentage alone is none.
_OPERATIONS: Final = ("+", "-", "*", "/", "^", "sqrt")
_TOKEN = re.compile(r"\d+(?:\.\d+)?|sqrt|[-+*/^%()]")
# "555-1234" and "5/6" are telephone numbers and dates, unless they are all that is asked.
_NUMBER_WITH_MARKS = re.compile(r"\d\s*[-/]\s*\d")
_ASKED = re.compile(
    r"(?:what(?: ' s| is|'s)|how much is|calculate|compute|work out)?[\s\d.+*/x^()-]*(?:please|equals?)?[\s?.!=]*"
)
_SPOKEN = {"*": "times", "/": "divided by", "+": "plus", "-": "minus", "^": "to the power of"}
_SAID_SHORTER: Final = (
    ("percent times", "percent of"),
    ("to the power of two", "squared"),
    ("to the power of three", "cubed"),
    ("one divided by two times", "half of"),
    ("one divided by three times", "a third of"),
    ("one divided by four times", "a quarter of"),
)
_MOST_SIGNS: Final = 8
_DEEPEST: Final = 8


class Unspeakable(Exception):
    """The calculation has no result that can be said; the message says why."""


@dataclass(frozen=True, slots=True)
class Sum:
    """A calculation."""

    tokens: tuple[str, ...]
    """Numbers and operators."""


def find(text: str) -> Sum | None:
    """The calculation in `text`; None when there is none, only a number, or more text than anybody says."""
    if len(text) > LONGEST:
        return None
    line = digits(text)
    if _NUMBER_WITH_MARKS.search(line) and not _ASKED.fullmatch(line):
        return None
    if _OPERATION_SAID.search(line):
        line = _FRACTION.sub(_divided, line)
    for pattern, operator in (*_VERBS, *_OPERATORS):
        line = re.sub(pattern, f" {operator} ", line)
    best: list[str] = []
    for run in re.findall(r"(?:(?:\d+(?:\.\d+)?|sqrt|[-+*/^%()])\s*)+", line):
        tokens = _TOKEN.findall(run)
        if len(tokens) > len(best) and any(token in _OPERATIONS for token in tokens):
            best = tokens
    while best and not _is_number(best[-1]) and best[-1] not in "%)":
        best.pop()
    while best and best[0] not in ("sqrt", "-", "(") and not _is_number(best[0]):
        best.pop(0)
    return Sum(tuple(best)) if any(_is_number(t) for t in best) and len(best) > 1 else None


def _divided(found: re.Match[str]) -> str:
    return f"({found[1] if found[1].isdigit() else 1} / {_PARTS[found[2]]})"


def work_out(calculation: Sum) -> str:
    """The result as a sentence.

    Raises:
        Unspeakable: a division by zero, a number that is too large, or something that is no calculation.
    """
    parser = _Parser(list(calculation.tokens))
    try:
        value = parser.whole()
        said = say(value)
        if "(" in calculation.tokens:
            # Parentheses are not said.
            return f"That is {said}."
        words = [_word(token) for token in calculation.tokens]
    except (exact.OutOfReach, TooLarge):
        raise Unspeakable("That is more than I can count.") from None
    asked = " ".join(words)
    for figures, words_for_it in _SAID_SHORTER:
        asked = asked.replace(figures, words_for_it)
    return f"{asked[:1].upper()}{asked[1:]} is {said}."


def _word(token: str) -> str:
    if token == "sqrt":
        return "the square root of"
    if token == "%":
        return "percent"
    return _SPOKEN.get(token) or (say(Fraction(token)) if _is_number(token) else token)


def _is_number(token: str) -> bool:
    return token[:1].isdigit()


class _Parser:
    """Precedence climbing over the tokens: sums, products, powers, signs and roots."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0

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
            operator, share = self._take(), self._is_share()
            other = self._product()
            # "Fifty plus ten percent" is ten percent more of it.
            other = exact.within_reach(value * other) if share else other
            value = exact.within_reach(value + other if operator == "+" else value - other)
        return value

    def _is_share(self) -> bool:
        """Whether a percentage comes next, and nothing that it is multiplied with."""
        percentage = self._tokens[self._at : self._at + 3]
        return len(percentage) > 1 and percentage[1] == "%" and percentage[2:] not in (["*"], ["/"], ["^"], ["%"])

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
        value = self._within() if token == "(" else self._number(token)
        for sign in reversed(before):
            value = -value if sign == "-" else self._root(value)
        return value

    def _within(self) -> Fraction:
        """What stands in parentheses."""
        self._depth += 1
        value = self._sum() if self._depth <= _DEEPEST else Fraction(0)
        if self._take() != ")":
            raise Unspeakable("I could not work that out.")
        self._depth -= 1
        return value

    @staticmethod
    def _number(token: str) -> Fraction:
        if not token or not _is_number(token):
            raise Unspeakable("I could not work that out.")
        return exact.within_reach(Fraction(token))

    @staticmethod
    def _root(value: Fraction) -> Fraction:
        if value < 0:
            raise Unspeakable("A negative number has no real square root.")
        scale = 10**6
        return Fraction(isqrt(value.numerator * scale * scale // value.denominator), scale)
