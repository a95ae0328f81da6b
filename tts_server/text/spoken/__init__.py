"""What is said for what is written: numbers, money, times, dates, units, signs. Knows no markup and no engine."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Final

from tts_server.text.mapped import Mapped
from tts_server.text.spoken.addresses import Addresses
from tts_server.text.spoken.amounts import BEFORE, EDGE, Amounts
from tts_server.text.spoken.clock import Clock
from tts_server.text.spoken.dates import Dates
from tts_server.text.spoken.english import AMERICAN, BRITISH
from tts_server.text.spoken.fractions import Fractions
from tts_server.text.spoken.french import FRENCH
from tts_server.text.spoken.german import GERMAN
from tts_server.text.spoken.names import Names
from tts_server.text.spoken.scanner import Rule, Scanner
from tts_server.text.spoken.signs import Signs
from tts_server.text.spoken.spanish import SPANISH

if TYPE_CHECKING:
    from tts_server.text.spoken.language import Language

# By tag, and for all other lands of a language; without a land English is American.
_BY_TAG: Final[dict[str, Language]] = {"en": AMERICAN, "en-us": AMERICAN, "en-ca": AMERICAN}
_BY_LANGUAGE: Final[dict[str, Language]] = {"en": BRITISH, "de": GERMAN, "fr": FRENCH, "es": SPANISH}


def language_of(tag: str) -> Language | None:
    """What the rules know of a language, by its BCP 47 tag in any case; None: nothing."""
    plain = tag.lower().replace("_", "-")
    return _BY_TAG.get(plain) or _BY_LANGUAGE.get(plain.partition("-")[0])


def say(text: Mapped, tag: str) -> Mapped:
    """`text` as it is said in the language of that BCP 47 tag; as it is for a language that has no rules."""
    language = language_of(tag)
    return text if language is None else _scanner(language).scan(text)


def prepare() -> None:
    """Make the rules of every language ready, so that nobody's first sentence waits for them."""
    for language in {*_BY_TAG.values(), *_BY_LANGUAGE.values()}:
        _scanner(language).scan(Mapped.of("1"))


@cache
def _scanner(language: Language) -> Scanner:
    addresses, amounts = Addresses(language), Amounts(language)
    return Scanner(
        [
            *language.extra_rules(),
            *addresses.links(),
            *Dates(language).rules(),
            *Clock(language).rules(),
            *addresses.rules(),
            *Names(language).rules(),
            *Fractions(language).rules(),
            *_ordinals(language),
            *amounts.rules(),
            *Signs(language).rules(),
            amounts.leftovers(),
        ]
    )


def _ordinals(language: Language) -> list[Rule]:
    if not language.ordinal_endings:
        return []
    number = rf"\d{{1,3}}(?:[{language.group_marks}]\d{{3}}){{1,4}}|\d{{1,9}}"
    pattern = re.compile(rf"{EDGE}(?P<number>{number})(?P<ending>{language.ordinal_endings})(?!\w)")

    def ordinal(match: re.Match[str]) -> str:
        before = match.string[max(0, match.start() - BEFORE) : match.start()]
        return language.ordinal(int(language.split(match["number"])[0]), match["ending"], before)

    return [Rule(pattern, ordinal)]
