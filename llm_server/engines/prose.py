"""Whether a mark that stands in a model's text is meant as one, or is spoken of. Pure.

Models think at the beginning of a reply, on a line of its own, or after a sentence. A mark elsewhere in a line, in
quotes or in code (Markdown's) belongs to a text about marks.
"""

from __future__ import annotations

from typing import Final

_FENCE: Final = "```"
_ENDS: Final = frozenset(".!?…。！？")
_QUOTES: Final = frozenset("`\"'“‘«„")


class Prose:
    """What is known of the text up to where it stands; it comes in pieces that are cut anywhere."""

    def __init__(self) -> None:
        """At the beginning."""
        self._fenced = False
        self._new_line()

    def add(self, text: str) -> None:
        """The next piece."""
        first, *others = text.split("\n")
        self._extend(first)
        for line in others:
            if self._lead == _FENCE and self._ticks % 2:
                self._fenced = not self._fenced
            self._new_line()
            self._extend(line)

    def rest(self) -> None:
        """A mark has stood here: what comes next begins anew, as on a line of its own."""
        self._new_line()

    @property
    def in_code(self) -> bool:
        """In a code span, or in a block of code."""
        return self._fenced or self._ticks % 2 == 1

    @property
    def in_quotes(self) -> bool:
        """In code, or right behind a quotation mark."""
        return self.in_code or self._end in _QUOTES

    @property
    def at_a_break(self) -> bool:
        """On a new line, or behind a sentence; not in code."""
        return not self.in_code and (not self._lead or self._last in _ENDS)

    def _new_line(self) -> None:
        self._lead = self._last = self._end = ""
        self._ticks = 0

    def _extend(self, text: str) -> None:
        if not text:
            return
        self._lead = (self._lead + text).lstrip()[: len(_FENCE)]
        self._ticks += text.count("`")
        self._end = text[-1]
        self._last = (self._last + text).rstrip()[-1:]
