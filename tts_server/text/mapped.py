"""A text that knows, for each of its characters, which part of another text it stands for. Knows no rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Iterable


class Kept(NamedTuple):
    """A part of the text that stays as it is."""

    start: int
    """Its first character."""
    end: int
    """The character after its last one."""


class Said(NamedTuple):
    """New text."""

    text: str
    """What it is."""
    start: int
    """First character of what it stands for."""
    end: int
    """The character after its last one."""


Part = Kept | Said


@dataclass(frozen=True, slots=True)
class Mapped:
    """A text and where it came from."""

    text: str
    """As it is now."""
    starts: tuple[int, ...]
    """For each character, the first one of what it stands for in the text as it was written."""
    ends: tuple[int, ...]
    """For each character, the one after the last of what it stands for."""

    @staticmethod
    def of(written: str, first: int = 0) -> Mapped:
        """`written` as it is, whose first character is number `first`."""
        places = range(first, first + len(written) + 1)
        return Mapped(written, tuple(places[:-1]), tuple(places[1:]))

    def rebuilt(self, parts: Iterable[Part]) -> Mapped:
        """The text that `parts` make, which are in the order of the text."""
        text: list[str] = []
        starts: list[int] = []
        ends: list[int] = []
        for part in parts:
            match part:
                case Kept(start, end):
                    text.append(self.text[start:end])
                    starts += self.starts[start:end]
                    ends += self.ends[start:end]
                case Said(said, start, end) if start < end:
                    text.append(said)
                    starts += [self.starts[start]] * len(said)
                    ends += [self.ends[end - 1]] * len(said)
                case Said():
                    pass
        return Mapped("".join(text), tuple(starts), tuple(ends))

    def replaced(self, pattern: re.Pattern[str], replace: Callable[[re.Match[str]], Iterable[Part] | None]) -> Mapped:
        """The text with what `replace` makes of each match; None leaves it."""
        parts: list[Part] = []
        done = 0
        for match in pattern.finditer(self.text):
            made = replace(match)
            if made is None:
                continue
            parts += [Kept(done, match.start()), *made]
            done = match.end()
        return self.rebuilt([*parts, Kept(done, len(self.text))]) if done else self
