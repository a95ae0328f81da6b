"""Units: finds what is to be converted in a sentence, and says the result. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from llm_server import exact
from llm_server.engines.rules.numbers import TooLarge, digits, say

if TYPE_CHECKING:
    from llm_server.engines.rules.asked import Asked


@dataclass(frozen=True, slots=True)
class _Unit:
    """A unit: so many of the first of its kind, after taking `zero` from the number."""

    kind: str
    size: Fraction
    one: str
    many: str
    zero: Fraction = Fraction(0)


# kind | size | one | many | further names. Gallons, pints, cups and tons are those of the United States.
_TABLE: Final = """
length | 1 | meter | meters | m, metre, metres
length | 1000 | kilometer | kilometers | km, kms, kilometre, kilometres
length | 0.01 | centimeter | centimeters | cm, centimetre, centimetres
length | 0.001 | millimeter | millimeters | mm, millimetre, millimetres
length | 1609.344 | mile | miles | mi
length | 0.9144 | yard | yards | yd
length | 0.3048 | foot | feet | ft
length | 0.0254 | inch | inches |
weight | 1 | gram | grams | g, gramme, grammes
weight | 1000 | kilogram | kilograms | kg, kgs, kilo, kilos
weight | 453.59237 | pound | pounds | lb, lbs
weight | 28.349523125 | ounce | ounces | oz
weight | 6350.29318 | stone | stones |
weight | 1000000 | metric ton | metric tons | tonne, tonnes
volume | 1 | liter | liters | l, litre, litres
volume | 0.001 | milliliter | milliliters | ml, millilitre, millilitres
volume | 3.785411784 | gallon | gallons |
volume | 0.473176473 | pint | pints |
volume | 0.2365882365 | cup | cups |
time | 1 | second | seconds |
time | 60 | minute | minutes |
time | 3600 | hour | hours |
time | 86400 | day | days |
time | 604800 | week | weeks |
time | 31536000 | year | years |
speed | 1 | kilometer an hour | kilometers an hour | km / h, kph, kilometers per hour, kilometres per hour
speed | 1.609344 | mile an hour | miles an hour | mph, miles per hour
temperature | 1 | degree Celsius | degrees Celsius | celsius, centigrade, degrees centigrade, ° c, ° celsius, c
temperature | 5/9 | degree Fahrenheit | degrees Fahrenheit | fahrenheit, ° f, ° fahrenheit, f
"""


def _read() -> dict[str, _Unit]:
    units: dict[str, _Unit] = {}
    for line in _TABLE.strip().splitlines():
        kind, size, one, many, others = (cell.strip() for cell in line.split("|"))
        unit = _Unit(kind, Fraction(size), one, many, Fraction(32) if "Fahrenheit" in one else Fraction(0))
        units |= dict.fromkeys((name for name in (one.lower(), many.lower(), *others.split(", ")) if name), unit)
    return units


_UNITS: Final = _read()
_NAMES: Final = "|".join(re.escape(name) for name in sorted(_UNITS, key=len, reverse=True))
_NUMBER = r"(?P<sign>(?:minus|negative|-) )?(?P<number>\d+(?:\.\d+)?|half an?|an?)"
# "Ten miles in kilometers", "how many feet are there in a mile".
_OF = rf"(?P<of>{_NAMES})"
_TO = rf"(?P<to>{_NAMES})"
# "Are" before a vowel sounds like "or".
_ARE: Final = r"(?: (?:is|are|or|in|there|to|make|does|do|has|have)){1,3}"
_IN: Final = r"(?:in|into|to|as|is how many|are how many|equals how many)"
_FORMS: Final = (
    re.compile(rf"\bhow (?:many|much) {_TO}{_ARE} {_NUMBER} {_OF}(?!\w)"),
    re.compile(rf"(?:^|(?<=\s)){_NUMBER} {_OF} {_IN} {_TO}(?!\w)"),
    re.compile(rf"\bconvert {_NUMBER} {_OF} {_TO}(?!\w)"),
)


def convert(asked: Asked) -> str | None:
    """An amount in another unit."""
    if asked.cut:
        return None
    line = digits(asked.folded)
    found = next((match for form in _FORMS if (match := form.search(line))), None)
    if found is None:
        return None
    of, to = _UNITS[found["of"]], _UNITS[found["to"]]
    if of.kind != to.kind:
        return (
            f"{of.many[:1].upper()}{of.many[1:]} are {of.kind} and {to.many} are {to.kind}, so I cannot convert them."
        )
    try:
        amount = exact.within_reach(_amount(found["number"]))
        amount = -amount if found["sign"] else amount
        result = exact.within_reach((amount - of.zero) * of.size / to.size + to.zero)
        said = f"{_say(amount, of)} {'is' if amount == 1 else 'are'} {_say(result, to)}."
    except (exact.OutOfReach, TooLarge):
        return "That is more than I can count."
    return f"{said[:1].upper()}{said[1:]}"


def _amount(number: str) -> Fraction:
    if number.startswith("half"):
        return Fraction(1, 2)
    return Fraction(number) if number[0].isdigit() else Fraction(1)


def _say(amount: Fraction, unit: _Unit) -> str:
    if 0 < abs(amount) < Fraction(1, 200):
        return f"less than a hundredth of a {unit.one}"
    return f"{say(amount)} {unit.one if amount == 1 else unit.many}"
