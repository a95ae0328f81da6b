"""Blocks of code within Markdown, which are not spoken: where they begin and end, also when a text comes in pieces."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

# A fence begins a line, or ends one that it should not be in. Any other within a line is only a mark that somebody
# writes about, or holds code of that line.
_OPENING: Final = re.compile(
    r"(?m)^[ \t]{0,3}(?:>[ \t]?|[-*+][ \t]{1,3})?(?P<fence>`{3,}|~{3,})(?P<info>[^\n`]*)$"
    r"|(?<=[ \t])(?P<late>`{3,}|~{3,})[\w+#.-]{0,20}[ \t]*$"
)
_INLINE: Final = re.compile(r"(?P<fence>`{3,})[^`\n]{0,1000}(?P=fence)(?!`)")


@dataclass(frozen=True, slots=True)
class Prose:
    """The runs of a text outside of code."""

    runs: tuple[tuple[int, int], ...]
    """First character of each, and the one after its last."""
    fence: str
    """The fence that the text ends within; empty: none."""


def outside_code(text: str, fence: str, *, begins_line: bool = True) -> Prose:
    """What of `text` is no code; it begins within a block that `fence` opened, where there is one."""
    runs: list[tuple[int, int]] = []
    place = 0
    while place < len(text):
        if fence:
            closed = _closing(fence).search(text, place)
            if closed is None:
                return Prose(tuple(runs), fence)
            place, fence = closed.end(), ""
            continue
        opened = _open(text, place, begins_line=begins_line)
        end = opened.start() if opened else len(text)
        runs += _without_inline(text, place, end)
        if opened is None:
            break
        place, fence = opened.end(), opened["fence"] or opened["late"]
    return Prose(tuple(runs), fence)


def _open(text: str, place: int, *, begins_line: bool) -> re.Match[str] | None:
    for opened in _OPENING.finditer(text, place):
        if opened.start() or begins_line or opened["late"] or " " not in opened["info"].strip():
            return opened
    return None


def _closing(fence: str) -> re.Pattern[str]:
    """A fence that ends a block: of the same sign, as long at least; words may follow it, since models write so."""
    return re.compile(rf"(?m)^[ \t]{{0,3}}(?:>[ \t]?)?{re.escape(fence[0])}{{{len(fence)},}}")


def _without_inline(text: str, start: int, end: int) -> list[tuple[int, int]]:
    runs = []
    for found in _INLINE.finditer(text, start, end):
        runs.append((start, found.start()))
        start = found.end()
    return [*runs, (start, end)]
