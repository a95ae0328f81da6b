"""Short forms of words: titles and other abbreviations, acronyms, Roman numbers, letters with figures."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from tts_server.text.mapped import Kept, Said
from tts_server.text.spoken.amounts import any_of
from tts_server.text.spoken.scanner import Rule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tts_server.text.mapped import Part
    from tts_server.text.spoken.language import Language

_ROMAN: Final = r"(?=[MDCLXVI])M{0,3}(?:CM|CD|D?C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})"
_VALUES: Final = {"M": 1000, "D": 500, "C": 100, "L": 50, "X": 10, "V": 5, "I": 1}
_CAPITAL: Final = re.compile(r"\s+[A-ZÀ-Þ]|\s*$")
_LONG_NUMBER: Final = 3
_FEW_LETTERS: Final = 3


class Names:
    """The rules of one language."""

    def __init__(self, language: Language) -> None:
        """Say short forms in `language`."""
        self._language = language

    def rules(self) -> list[Rule]:
        """Words before what could be a part of them."""
        language = self._language
        rules = [
            Rule(
                re.compile(rf"(?<![\w.])(?P<short>{any_of(language.vocabulary.abbreviations)})(?!\w)"),
                self._abbreviation,
            )
        ]
        if language.vocabulary.numbered:
            before = rf"(?<![\w.])(?P<short>{any_of(language.vocabulary.numbered)})(?=[ \u00a0]?\d)"
            rules.insert(0, Rule(re.compile(before), lambda match: language.vocabulary.numbered[match["short"]]))
        if language.vocabulary.kings or language.vocabulary.chapters:
            rules.append(
                Rule(
                    re.compile(
                        rf"(?<!\w)(?P<name>[^\W\d_]{{2,20}}) (?P<roman>{_ROMAN})(?P<more>e|er|ère)?(?![\w-])"
                        r"(?:\.(?= [a-zà-ÿ]))?"
                    ),
                    self._roman,
                )
            )
        if language.vocabulary.read_as_letters:
            rules.append(
                Rule(
                    re.compile(rf"(?<![\w.])(?:{any_of(language.vocabulary.read_as_letters)})(?!\w)"),
                    lambda match: ".".join(match[0]),
                )
            )
        rules += [
            Rule(re.compile(r"(?<!\w)(?P<a>[A-Z]{1,3})&(?P<b>[A-Z]{1,3})(?!\w)"), self._and),
            Rule(re.compile(r"(?<![\w-])(?P<code>[A-Z]{1,5}-)(?P<number>\d{4,9})(?![\w-])"), self._code),
            Rule(re.compile(r"(?<!\w)[^\W\d_]{1,12}\d[^\W_]{0,30}(?!\w)"), self._mixed),
        ]
        return rules

    def _abbreviation(self, match: re.Match[str]) -> str:
        written = match["short"]
        said = self._language.vocabulary.abbreviations[written]
        if not written.endswith("."):
            return said
        ends = said.endswith(".") and _CAPITAL.match(match.string, match.end())
        return said if ends else said.removesuffix(".")

    def _roman(self, match: re.Match[str]) -> Sequence[Part] | None:
        number, name = _value(match["roman"]), match["name"]
        if match["more"] and match["roman"]:
            said = self._language.ordinal(number, match["more"], name)
        elif name in self._language.vocabulary.kings | self._language.vocabulary.queens:
            said = self._language.roman(number, name)
        elif name.lower() in self._language.vocabulary.chapters:
            said = self._language.count(number)
        else:
            return None
        return [Kept(match.start(), match.start("roman")), Said(said, match.start("roman"), match.end())]

    def _and(self, match: re.Match[str]) -> str:
        return f"{'-'.join(match['a'])} {self._language.vocabulary.characters['&']} {'-'.join(match['b'])}"

    def _code(self, match: re.Match[str]) -> Sequence[Part]:
        said = self._language.digits(match["number"]).replace(" ", "-")
        return [Kept(*match.span("code")), Said(said, *match.span("number"))]

    def _mixed(self, match: re.Match[str]) -> str:
        """Letters with figures, as in "H2O": one word, since it is written as one."""
        return "-".join(self._part(part) for part in re.findall(r"\d+|\D+", match[0])).replace(" ", "-")

    def _part(self, part: str) -> str:
        if part.isdecimal():
            return self._language.whole(part) if len(part) <= _LONG_NUMBER else self._language.digits(part)
        few = len(part) <= _FEW_LETTERS and (part.isupper() or part == "mp")
        return "-".join(part.upper()) if few else part


def _value(roman: str) -> int:
    values = [_VALUES[letter] for letter in roman]
    after = [*values[1:], 0]
    return sum(-value if value < following else value for value, following in zip(values, after, strict=True))
