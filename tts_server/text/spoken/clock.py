"""Times of day, and proportions, which look alike."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from tts_server.text.spoken.amounts import EDGE, FULL_STOP, SPACE
from tts_server.text.spoken.scanner import Rule

if TYPE_CHECKING:
    from tts_server.text.spoken.language import Language

_HALF: Final = rf"(?:{SPACE}?(?P<half>[AaPp])(?:\.{SPACE}?[Mm](?:\.|(?!\w))|[Mm](?!\w)))"
_HOURS: Final = 24
_MINUTES: Final = 59


class Clock:
    """The rules of one language."""

    def __init__(self, language: Language) -> None:
        """Say times in `language`."""
        self._language = language

    def rules(self) -> list[Rule]:
        """From the fullest form to the shortest."""
        hours = any_hours(self._language.hour_names)
        rules = [
            Rule(
                re.compile(rf"{EDGE}(?P<h>\d{{1,2}}):(?P<m>\d\d)(?::(?P<s>\d\d))?(?![\d:]){_HALF}?{hours}"), self._time
            ),
            Rule(re.compile(rf"{EDGE}(?P<h>\d{{1,2}})(?:\.(?P<m>\d\d))?{_HALF}"), self._half_day),
            Rule(re.compile(rf"(?<=[\dmM.]){SPACE}?[-–—]{SPACE}?(?=\d{{1,2}}(?::\d\d|{SPACE}?[ap]m\b))"), self._until),
            Rule(re.compile(rf"{EDGE}(?P<a>\d{{1,4}})(?::| : )(?P<b>\d{{1,4}})(?![\d:])"), self._proportion),
        ]
        if self._language.hour_letter:
            letter = self._language.hour_letter
            rules.insert(
                0, Rule(re.compile(rf"{EDGE}(?P<h>\d{{1,2}}){SPACE}?{letter}{SPACE}?(?P<m>\d\d)(?!\w)"), self._time)
            )
        if hours:
            rules.insert(0, Rule(re.compile(rf"{EDGE}(?P<h>\d{{1,2}})\.(?P<m>\d\d){hours[:-1]}"), self._time))
        return rules

    def _time(self, match: re.Match[str]) -> str | None:
        found = match.groupdict()
        hour, minute, second = int(match["h"]), int(match["m"]), found.get("s")
        if hour > _HOURS or minute > _MINUTES or (second and int(second) > _MINUTES):
            return None
        if found.get("half"):
            return self._half_day(match)
        runs_on = " " if match.string[match.end() : match.end() + 1].isalpha() else ""
        return self._language.clock(hour, minute, int(second) if second else None) + runs_on

    def _half_day(self, match: re.Match[str]) -> str | None:
        hour, minute = int(match["h"]), int(match["m"] or 0)
        if hour > _HOURS or minute > _MINUTES:
            return None
        half = self._language.words.am if match["half"] in "aA" else self._language.words.pm
        stop = "." if match[0].endswith(".") and FULL_STOP.match(match.string, match.end()) else ""
        count = self._language.count
        if not minute:
            return f"{count(hour)} {half}{stop}"
        return f"{self._language.clock(hour, minute, None)} {half}{stop}"

    def _until(self, _: re.Match[str]) -> str:
        return f" {self._language.words.to} "

    def _proportion(self, match: re.Match[str]) -> str:
        language = self._language
        return f"{language.whole(match['a'])} {language.words.ratio} {language.whole(match['b'])}"


def any_hours(names: str) -> str:
    """A pattern for the word that may follow a time and is said within it."""
    return rf"(?:{SPACE}?(?:{names})(?!\w))?" if names else ""
