"""Reads a text once from its beginning to its end, and has the first rule that fits say what stands there.

What was said is not looked at again, so no rule sees another's words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tts_server.text.mapped import Kept, Said

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tts_server.text.mapped import Mapped, Part


@dataclass(frozen=True, slots=True)
class Rule:
    """One way in which something is written."""

    pattern: re.Pattern[str]
    """How it looks. Each part of it that repeats has a bound, so that no text takes long."""
    say: Callable[[re.Match[str]], str | Sequence[Part] | None]
    """What is said for it; None: it is something else."""


class Scanner:
    """Rules in their order."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        """The first of `rules` that fits counts."""
        self._rules = tuple(rules)
        self._any = re.compile("|".join(f"(?:{rule.pattern.pattern})" for rule in map(_anonymous, self._rules)))

    def scan(self, text: Mapped) -> Mapped:
        """`text` with what is said in the place of what is written."""
        parts: list[Part] = []
        done = place = 0
        while found := self._any.search(text.text, place):
            start = found.start()
            made = self._apply(text.text, start)
            if made is None:
                place = start + 1
                continue
            end, said = made
            parts += [Kept(done, start), *said]
            done = place = end
        return text.rebuilt([*parts, Kept(done, len(text.text))])

    def _apply(self, text: str, start: int) -> tuple[int, Sequence[Part]] | None:
        for rule in self._rules:
            match = rule.pattern.match(text, start)
            if match is None or match.end() == start:
                continue
            said = rule.say(match)
            if said is not None:
                return match.end(), [Said(said, start, match.end())] if isinstance(said, str) else said
        return None


def _anonymous(rule: Rule) -> Rule:
    """The rule without names in its pattern, so that several stand in one; what is said twice there may then differ."""
    unnamed = re.sub(r"\(\?P=\w+\)", r"\\S", re.sub(r"\(\?P<\w+>", "(?:", rule.pattern.pattern))
    return Rule(re.compile(unnamed), rule.say)
