"""Fractions, products and how many times, which are several numbers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from tts_server.text.mapped import Said
from tts_server.text.spoken.amounts import EDGE, SPACE, any_of
from tts_server.text.spoken.scanner import Rule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tts_server.text.mapped import Part
    from tts_server.text.spoken.language import Language

_VULGAR: Final = (
    {"½": (1, 2), "⅓": (1, 3), "⅔": (2, 3), "¼": (1, 4), "¾": (3, 4), "⅕": (1, 5), "⅖": (2, 5), "⅗": (3, 5)}
    | {"⅘": (4, 5), "⅙": (1, 6), "⅚": (5, 6), "⅐": (1, 7), "⅛": (1, 8), "⅜": (3, 8), "⅝": (5, 8), "⅞": (7, 8)}
    | {"⅑": (1, 9), "⅒": (1, 10)}
)
# Of a picture or a screen, rather than a product.
_WIDE: Final = 100


class Fractions:
    """The rules of one language."""

    def __init__(self, language: Language) -> None:
        """Say fractions in `language`."""
        self._language = language
        self._words = language.words

    def rules(self) -> list[Rule]:
        """They come before plain numbers."""
        unit = rf"(?:{SPACE}?(?P<unit>{any_of(self._language.vocabulary.units)})(?![\w²³]))?"
        sign = rf"{EDGE}(?P<minus>(?<![)\]])[-−])?"
        vulgar = rf"{sign}(?P<whole>\d{{1,6}})?(?P<vulgar>[{''.join(_VULGAR)}]){unit}"
        ending = rf"(?i:{self._language.ordinal_endings})?" if self._language.ordinal_endings else ""
        parts = rf"(?P<a>\d{{1,9}})[/⁄](?P<b>\d{{1,9}}){ending}(?![\w/]|[.,]\d)"
        written = rf"{sign}(?:(?P<whole>\d{{1,4}})[ \u00a0])?{parts}{unit}"
        product = rf"{EDGE}\d{{1,6}}(?:[ ]?[x×][ ]?\d{{1,6}}){{1,4}}(?!\w|[.,]\d)"
        often = rf"{EDGE}(?P<number>\d{{1,6}})[x×](?=[ ][a-z]{{3}}|[.,!?]|$)"
        return [
            Rule(re.compile(vulgar), lambda match: self._said(match, *_VULGAR[match["vulgar"]])),
            Rule(re.compile(written), lambda match: self._said(match, int(match["a"]), int(match["b"]))),
            Rule(re.compile(product), self._product),
            Rule(re.compile(often), lambda match: f"{self._language.whole(match['number'])} {self._words.times}"),
        ]

    def _said(self, match: re.Match[str], numerator: int, denominator: int) -> str:
        if match["whole"]:
            said = self._language.mixed(int(match["whole"]), numerator, denominator)
        else:
            said = self._language.fraction(numerator, denominator)
        unit = self._language.vocabulary.units.get(match["unit"] or "")
        name = f" {unit.many if match['whole'] else unit.one}" if unit else ""
        return (f"{self._words.minus} " if match["minus"] else "") + said + name

    def _product(self, match: re.Match[str]) -> Sequence[Part]:
        numbers = list(re.finditer(r"\d+", match[0]))
        wide = min(int(number[0]) for number in numbers) >= _WIDE
        joint = self._words.by if wide else self._language.vocabulary.signs["×"]
        parts = []
        for index, number in enumerate(numbers):
            lead = f" {joint} " if index else ""
            start = match.start() + (numbers[index - 1].end() if index else 0)
            parts.append(Said(lead + self._language.whole(number[0]), start, match.start() + number.end()))
        return parts
