"""Signs: of mathematics between their operands, powers and roots, and others wherever they stand."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Final

from tts_server.text.mapped import Said
from tts_server.text.spoken.amounts import any_of
from tts_server.text.spoken.scanner import Rule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tts_server.text.mapped import Part
    from tts_server.text.spoken.language import Language

_RAISED: Final = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
# A dash between words, or at the end of what is spoken in one breath.
_PAUSE: Final = r"(?<=[^\s|])[ \u00a0](?:--?|–|—|―)[ \u00a0](?=\S)|(?<=\w)(?:--|—)(?=\w)|(?<=\S)[ ]?[—―]\s*\Z"
_OPERAND: Final = r"[\w)\]}°%²³!π∞]"
# Between numbers, or a variable and a number; any other dash is one.
_DIFFERENCE: Final = (
    r"(?<=[\d)π])[ \u00a0][-−–][ \u00a0](?=[\d(π√])"
    r"|(?<=(?<!\w)[a-zA-Z])[ ]?[-−][ ](?=[\d(])"
    r"|(?<=\d[a-zA-Z])[ ][-−][ ](?=[\d(])"
    r"|(?<=[\d)])[ ][-−][ ](?=[a-z](?!\w))"
    r"|(?<=\d)−(?=\d)"
    r"|(?<=\d)-(?=\d{1,15}\s?=)"
)


# What a question may begin with that a sign says too: "is 17 > 12?".
_VERBS: Final = frozenset(("is", "ist", "est", "es"))
_BEFORE: Final = 80


@cache
def _asked(verb: str) -> re.Pattern[str]:
    """The beginning of a question with `verb`, up to a sign."""
    return re.compile(
        rf"(?i)(?:\A|[.!?:;,>(\"'“¿\n])\s*(?:(?:so|and|but|or|then|und|oder|et|ou|y|o)\s+)?{verb}\s+[^.!?;\n]{{1,60}}\Z"
    )


class Signs:
    """The rules of one language."""

    def __init__(self, language: Language) -> None:
        """Say signs in `language`."""
        self._language = language
        self._words = language.words

    def rules(self) -> list[Rule]:
        """All others."""
        language = self._language
        signs = language.vocabulary.signs
        leading = any_of([sign for sign in signs if sign not in "-/*"])
        after = r"(?=[\w(\[{√π∞+−°$€£-])"
        return [
            Rule(re.compile(r"(?P<mark>\^|\*\*)(?P<exponent>\(?[-−]?\w{1,12}\)?)"), self._power),
            Rule(re.compile(r"(?<=[\w)])(?P<exponent>⁻?[⁰¹²³⁴⁵⁶⁷⁸⁹]{1,12})"), self._raised),
            Rule(re.compile(r"√[ ]?"), lambda _: f"{self._words.root} "),
            Rule(re.compile(r"#(?=\d)"), lambda _: f"{self._words.number} "),
            Rule(re.compile(r"(?<!\w)#(?=[^\W\d_])"), lambda _: "hashtag "),
            Rule(re.compile(_DIFFERENCE), lambda _: f" {self._words.minus} "),
            Rule(
                re.compile(rf"(?<={_OPERAND})[ \u00a0]{{0,2}}(?P<sign>{any_of(signs)})[ \u00a0]{{0,2}}{after}"),
                self._sign,
            ),
            Rule(
                re.compile(rf"(?<![^\s(\[{{\"'“])(?P<sign>{leading})[ ](?=\w)"),
                self._sign,
            ),
            Rule(re.compile(_PAUSE), lambda _: ", "),
            Rule(re.compile(r"\A[ ]*[—―][ ]*"), lambda _: " "),
            Rule(re.compile(rf"(?:{any_of(language.vocabulary.characters)})"), self._character),
            Rule(re.compile(r"(?<=\w)/(?=\w)|[\\|_#~^<>*`{}\[\]]{1,200}"), lambda _: " "),
        ]

    def _power(self, match: re.Match[str]) -> str:
        return self._to_the(match["exponent"].strip("()"))

    def _raised(self, match: re.Match[str]) -> str:
        return self._to_the(match["exponent"].translate(_RAISED))

    def _to_the(self, exponent: str) -> str:
        if exponent == "2":
            return f" {self._words.squared}"
        if exponent == "3":
            return f" {self._words.cubed}"
        sign = f"{self._words.minus} " if exponent[0] in "-−" else ""
        digits = exponent.lstrip("-−")
        return f" {self._words.power} {sign}{self._language.whole(digits) if digits.isdecimal() else digits}"

    def _sign(self, match: re.Match[str]) -> Sequence[Part] | None:
        sign = match["sign"]
        if sign in "+±" and match[0][0].isspace() and not match[0][-1].isspace():
            return None  # it belongs to the number after it
        before, after = match.string[: match.start()], match.string[match.end() :]
        if sign == "/" and (match[0] == "/" or not re.search(r"(?:\d|\)|(?<!\w)[^\W\d_])$", before[-3:])):
            return None
        if sign == "*" and not self._multiplies(before, after):
            return None
        said = self._language.vocabulary.signs[sign]
        verb, _, rest = said.partition(" ")
        if rest and verb in _VERBS and _asked(verb).search(before[-_BEFORE:]):
            said = rest
        return [Said(f" {said} ", match.start(), match.end())]

    def _multiplies(self, before: str, after: str) -> bool:
        return bool(re.search(r"(?:\d|\)|(?<!\w)[^\W\d_])$", before[-3:]) and re.match(r"[\d(]|[^\W\d_](?!\w)", after))

    def _character(self, match: re.Match[str]) -> Sequence[Part]:
        said = self._language.vocabulary.characters[match[0]]
        before = match.string[match.start() - 1 : match.start()]
        after = match.string[match.end() : match.end() + 1]
        lead = " " if before and (before.isalnum()) else ""
        tail = " " if after and after.isalnum() else ""
        return [Said(f"{lead}{said}{tail}", match.start(), match.end())]
