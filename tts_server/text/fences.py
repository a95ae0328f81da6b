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
# A sentence at the beginning of a paragraph is none of a program's: whoever wrote it has forgotten to close the block.
_PARAGRAPH: Final = re.compile(
    r"\n[ \t]*\n(?P<line>[^\W\d_][^\n{}<>=;`#|]{0,2000}[.!?…])(?=[ \t]*(?:\n|\Z)|[ \t]+[^\W\d_])"
)
_WORD: Final = re.compile(r"[^\W\d_]+[.,!?:;]?")
_LEAST_WORDS: Final = 4
_FORGOTTEN: Final = "?"
_INLINE: Final = re.compile(r"(?P<fence>`{3,})[^`\n]{0,1000}(?P=fence)(?!`)")


@dataclass(frozen=True, slots=True)
class Prose:
    """The runs of a text outside of code."""

    runs: tuple[tuple[int, int], ...]
    """First character of each, and the one after its last."""
    fence: str
    """The fence that the text ends within; empty: none. With a question mark: it was left without being closed."""


def outside_code(text: str, fence: str, *, begins_line: bool = True) -> Prose:
    """What of `text` is no code; it begins within a block that `fence` opened, where there is one."""
    runs: list[tuple[int, int]] = []
    place = 0
    while place < len(text):
        if fence and not fence.endswith(_FORGOTTEN):
            closed = _closing(fence).search(text, place)
            if closed is not None:
                place, fence = closed.end(), ""
            elif (sentence := _sentence(text, place)) is not None:
                place, fence = sentence, fence + _FORGOTTEN
            else:
                break
            continue
        opened = _open(text, place, begins_line=begins_line)
        end = opened.start() if opened else len(text)
        runs += _without_inline(text, place, end)
        if opened is None:
            break
        # Of a block that was not closed, it seems, a fence by itself is the end after all.
        is_end = fence and not (opened["info"] or "").strip()
        place, fence = opened.end(), "" if is_end else opened["fence"] or opened["late"]
    return Prose(tuple(runs), fence)


def _sentence(text: str, place: int) -> int | None:
    """Where a paragraph begins within a block that reads as a sentence; None: there is none."""
    for found in _PARAGRAPH.finditer(text, place):
        line = found["line"]
        if not line[0].islower() and len(line.split()) >= _LEAST_WORDS:
            return found.start("line")
    return None


def _open(text: str, place: int, *, begins_line: bool) -> re.Match[str] | None:
    for opened in _OPENING.finditer(text, place):
        info = (opened["info"] or "").split()
        # A word and its attributes may follow, no sentence.
        is_prose = len(info) >= _LEAST_WORDS - 1 and all(_WORD.fullmatch(word) for word in info)
        if not is_prose and (opened.start() or begins_line or opened["late"] or len(info) <= 1):
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
