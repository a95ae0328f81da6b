"""The words of a language, which stand in `vocabularies/`, a file a language."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

PLAIN: Final = "spellout-numbering"
"""CLDR's rules for a number by itself."""
MASCULINE: Final = "spellout-cardinal-masculine"
FEMININE: Final = "spellout-cardinal-feminine"
YEAR: Final = "spellout-numbering-year"

_FOLDER: Final = Path(__file__).with_name("vocabularies")
_RULES: Final = {"": PLAIN, "masculine": MASCULINE, "feminine": FEMININE}


class Unit(NamedTuple):
    """What is counted."""

    one: str
    """Its name after 1."""
    many: str
    """Its name after other numbers."""
    rules: str = PLAIN
    """CLDR's rules for the number before it: its gender."""


class Currency(NamedTuple):
    """Money."""

    major: Unit
    """The whole ones."""
    minor: Unit | None = None
    """Their hundredths; None: they have none."""


@dataclass(frozen=True, slots=True)
class Words:
    """Words that stand for a sign, or between numbers."""

    point: str
    """Before decimals."""
    minus: str
    am: str
    """After a time before noon."""
    pm: str
    plus: str
    plus_minus: str
    about: str
    to: str
    """Between the ends of a range."""
    ratio: str
    """Between the parts of a proportion."""
    per: str
    """Before a unit that another one is divided by."""
    out_of: str
    """Before the most that a mark can be, as in "9.5/10"."""
    times: str
    """After how often."""
    by: str
    """Between width and height."""
    number: str
    """For "#" before figures."""
    version: str
    """For "v" before figures."""
    foot: str
    """Between feet and inches."""
    yes: str
    """For a tick in a table."""
    no: str
    """For a cross in a table."""
    done: str
    """For a box of a list that is ticked."""
    open: str
    """For a box of a list that is not."""
    dot: str
    """In addresses, as are the next five."""
    at: str
    slash: str
    dash: str
    underscore: str
    tilde: str
    squared: str
    cubed: str
    power: str
    """Between a base and its exponent."""
    root: str
    """Before the number whose square root it is."""
    cent_joint: str
    """Between whole money and its hundredths."""
    month_names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What is written in a language, and how it is said."""

    words: Words
    units: Mapping[str, Unit]
    currencies: Mapping[str, Currency]
    scales: Mapping[str, tuple[str, str]]
    """What is a thousand or more: after one, and after others."""
    money_scales: Mapping[str, tuple[str, str]]
    """The same in shorter forms, which stand for something else where it is no money."""
    months: Mapping[str, int]
    """Names of months, short ones too, and their numbers."""
    signs: Mapping[str, str]
    """Signs between operands."""
    characters: Mapping[str, str]
    """Signs that are said wherever they stand."""
    abbreviations: Mapping[str, str]
    """With their full stops; what is said ends in one where that may also end a sentence."""
    numbered: Mapping[str, str]
    """Abbreviations that are such before a number only."""
    read_as_letters: frozenset[str]
    """Acronyms that engines take for words."""
    kings: frozenset[str]
    """Names before a Roman number that is said as an ordinal; of men, and of those whose gender makes no difference."""
    queens: frozenset[str]
    """The same, of women."""
    chapters: frozenset[str]
    """Words, in small letters, before a Roman number that is said as a number."""
    feminine_nouns: frozenset[str]
    """Words that a number before them has a gender for, where their ending does not tell."""
    masculine_nouns: frozenset[str]
    no_nouns: frozenset[str]
    """Words after a number that are not counted with it."""


def load(code: str) -> Vocabulary:
    """The words of a language, by its two letters."""
    table = tomllib.loads((_FOLDER / f"{code}.toml").read_text(encoding="utf-8"))
    words = table["words"]
    return Vocabulary(
        words=Words(**{**words, "month_names": tuple(words["month_names"])}),
        units={sign: _unit(*names) for signs, *names in table["units"] for sign in signs},
        currencies={sign: _currency(*names) for signs, *names in table["currencies"] for sign in signs},
        scales=_scales(table["scales"]),
        money_scales=_scales(table.get("money_scales", {})),
        months=table["months"],
        signs=table["signs"],
        characters=table["characters"],
        abbreviations=table["abbreviations"],
        numbered=table["numbered"],
        **{name: frozenset[str](table.get(name, ())) for name in _LISTS},
    )


_LISTS: Final = (
    *("read_as_letters", "kings", "queens", "chapters"),
    *("feminine_nouns", "masculine_nouns", "no_nouns"),
)


def _scales(table: dict[str, list[str]]) -> dict[str, tuple[str, str]]:
    return {sign: (one, many) for sign, (one, many) in table.items()}


def _unit(one: str, many: str, gender: str = "") -> Unit:
    return Unit(one, many, _RULES[gender])


def _currency(one: str, many: str, cent: str, cents: str, *gender: Any) -> Currency:  # noqa: ANN401 - one or none
    return Currency(_unit(one, many, *gender), Unit(cent, cents, _unit("", "", *gender).rules) if cent else None)
