"""Exact arithmetic whose numbers stay small enough to be worked with, whoever wrote the calculation.

The value alone says too little: 0.1 to the power of 64, three times over, is next to nothing and has a quarter of a
million digits. So the digits of both halves of a fraction are bounded, before a power as well as after a step. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from fractions import Fraction

LARGEST_POWER: Final = 64
"""Greatest exponent, either way."""

LARGEST: Final = 10**15
"""Greatest number, either way."""

# Some 600 digits: a fraction of everyday numbers has ten, and steps with such numbers take microseconds.
_MOST_BITS: Final = 2_000


class OutOfReach(ArithmeticError):
    """A number is too large, or too fine, to be worked with."""


def within_reach(value: Fraction) -> Fraction:
    """`value`, if the next step can be taken with it.

    Raises:
        OutOfReach: it cannot.
    """
    if _bits(value) > _MOST_BITS or abs(value) >= LARGEST:
        raise OutOfReach
    return value


def power(base: Fraction, exponent: Fraction) -> Fraction:
    """`base` to a whole power that is no greater than `LARGEST_POWER`.

    Raises:
        OutOfReach: the result would be, or the power is none of these.
        ZeroDivisionError: zero to a power below zero.
    """
    if exponent.denominator != 1 or abs(exponent) > LARGEST_POWER or _bits(base) * abs(int(exponent)) > _MOST_BITS:
        raise OutOfReach
    return within_reach(base ** int(exponent))


def _bits(value: Fraction) -> int:
    return max(value.numerator.bit_length(), value.denominator.bit_length())
