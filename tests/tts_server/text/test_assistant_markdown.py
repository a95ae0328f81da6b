"""Lines as assistants write them, made up by a small grammar: no mark is spoken, no word lost and no number dropped."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING

import pytest

from tts_server.engine import WordMark
from tts_server.text.chunker import Chunker
from tts_server.text.marks import words_of
from tts_server.text.normalize import WrittenMarks, normalize
from tts_server.text.spoken.numbers import spell

if TYPE_CHECKING:
    from collections.abc import Callable

LINES = 200
# None of them is an abbreviation, a unit, a month, or before a Roman number.
WORDS = [
    "apple",
    "river",
    "garden",
    "window",
    "music",
    "quiet",
    "yellow",
    "simple",
    "often",
    "travel",
    "because",
    "people",
    "market",
    "letter",
    "between",
    "never",
    "village",
    "summer",
    "kitchen",
    "answer",
    "table",
    "little",
    "morning",
    "forest",
    "again",
    "clearly",
    "friend",
    "writes",
    "walking",
    "bread",
    "several",
]
SPOKEN_SIGNS = frozenset(" .,:;!?'\"()-\n")


@dataclass(frozen=True)
class Written:
    """A piece of a line, and the words that must be heard of it, in order."""

    text: str
    heard: tuple[str, ...]


def join(parts: list[Written], between: str = " ") -> Written:
    return Written(between.join(part.text for part in parts), tuple(word for part in parts for word in part.heard))


class Grammar:
    """What an assistant may write."""

    def __init__(self, seed: int) -> None:
        self.chance = Random(seed)  # noqa: S311 - made-up lines
        self.inline: tuple[Callable[[], Written], ...] = (
            *([self.word] * 8),
            *(self.number, self.money, self.percentage, self.measure, self.comparison, self.entity),
            *(self.emphasis, self.link, self.code),
        )
        self.lines: tuple[Callable[[], Written], ...] = (
            *([self.sentence] * 4),
            *(self.bullet, self.heading, self.numbered, self.quote, self.table, self.task, self.block),
        )

    def word(self) -> Written:
        word = self.chance.choice(WORDS)
        return Written(word, (word,))

    def number(self) -> Written:
        number = self.chance.choice((self.chance.randrange(1_100), self.chance.randrange(10_000, 10_000_000)))
        return Written(f"{number:,}", (spell("en", number),))

    def money(self) -> Written:
        whole, cents = self.chance.randrange(2, 1_000), self.chance.randrange(2, 100)
        sign, name = self.chance.choice((("$", "dollars"), ("€", "euros")))
        return Written(f"{sign}{whole}.{cents:02}", (spell("en", whole), name, spell("en", cents), "cents"))

    def percentage(self) -> Written:
        number = self.chance.randrange(2, 100)
        return Written(f"{number}%", (spell("en", number), "percent"))

    def measure(self) -> Written:
        number, unit = self.chance.randrange(2, 900), self.chance.choice(("km", "kg"))
        name = {"km": "kilometers", "kg": "kilograms"}[unit]
        return Written(f"{number}{self.chance.choice(('', ' '))}{unit}", (spell("en", number), name))

    def comparison(self) -> Written:
        first, second = self.chance.randrange(100), self.chance.randrange(100)
        sign, words = self.chance.choice(
            (
                ("<", "is less than"),
                (">", "is greater than"),
                (">=", "is greater than or equal to"),
                ("=", "equals"),
            )
        )
        space = self.chance.choice(("", " "))
        return Written(f"{first}{space}{sign}{space}{second}", (spell("en", first), words, spell("en", second)))

    def entity(self) -> Written:
        first, second = self.word(), self.word()
        return Written(f"{first.text} &amp; {second.text}", (*first.heard, "and", *second.heard))

    def emphasis(self) -> Written:
        mark = self.chance.choice(("*", "**", "***", "_", "__", "~~"))
        inner = join([self.chance.choice((self.word, self.number))() for _ in range(self.chance.randrange(1, 4))])
        return Written(f"{mark}{inner.text}{mark}", inner.heard)

    def link(self) -> Written:
        inner = join([self.word(), self.word()])
        return Written(f"[{inner.text}](https://example.com/{self.chance.randrange(100)}?a=b#c)", inner.heard)

    def code(self) -> Written:
        inner = join([self.word(), self.word()], self.chance.choice((" ", "_")))
        return Written(f"`{inner.text}`", inner.heard)

    def phrase(self) -> Written:
        return join([self.chance.choice(self.inline)() for _ in range(self.chance.randrange(3, 12))])

    def sentence(self) -> Written:
        phrases = [self.phrase() for _ in range(self.chance.randrange(1, 3))]
        whole = join(phrases, self.chance.choice((", ", ": ", " - ", " — ", ". ")))
        return Written(whole.text + self.chance.choice(".!?"), whole.heard)

    def marked(self, mark: str) -> Written:
        phrase = self.phrase()
        return Written(f"{mark} {phrase.text}", phrase.heard)

    def bullet(self) -> Written:
        return self.marked(self.chance.choice(("-", "*", "+", "  -")))

    def heading(self) -> Written:
        return self.marked("#" * self.chance.randrange(1, 5))

    def quote(self) -> Written:
        return self.marked(">")

    def numbered(self) -> Written:
        number, phrase = self.chance.randrange(1, 20), self.phrase()
        return Written(f"{number}{self.chance.choice('.)')} {phrase.text}", (spell("en", number), *phrase.heard))

    def task(self) -> Written:
        sign, said = self.chance.choice(((" ", "to do"), ("x", "done")))
        phrase = self.phrase()
        return Written(f"- [{sign}] {phrase.text}", (said, *phrase.heard))

    def table(self) -> Written:
        columns = self.chance.randrange(2, 5)
        rows = [join([self.word() if self.chance.random() < 0.5 else self.number() for _ in range(columns)], " | ")]
        rows += [join([self.number() for _ in range(columns)], " | ") for _ in range(self.chance.randrange(1, 4))]
        lines = [f"| {row.text} |" for row in rows]
        lines.insert(1, "|" + "---|" * columns)
        return Written("\n".join(lines), tuple(word for row in rows for word in row.heard))

    def block(self) -> Written:
        """Code, which nobody wants to hear, and a sentence after it; the fence that ends it may have been forgotten."""
        fence, (first, *words) = self.chance.choice(("```", "~~~")), [self.word().text for _ in range(5)]
        end = self.chance.choice((f"\n{fence}\n", "\n\n"))
        heard = (first.capitalize(), *words)
        return Written(f"{fence}python\nprint(1){end}{' '.join(heard)}.", heard)

    def line(self) -> Written:
        return self.chance.choice(self.lines)()


def missing(heard: tuple[str, ...], said: str) -> str:
    """The first thing that is not among the spoken words in its turn; empty: nothing is missing."""
    place = 0
    for each in heard:
        found = re.compile(rf"(?<![\w-]){re.escape(each)}(?![\w-])").search(said, place)
        if found is None:
            return each
        place = found.end()
    return ""


def in_pieces(text: str, chance: Random) -> list[tuple[str, int]]:
    """The text as it comes from a model, cut into pieces to be spoken, each with its place."""
    chunker, pieces, place = Chunker(), [], 0
    while place < len(text):
        size = chance.randrange(1, 12)
        pieces += chunker.add(text[place : place + size])
        place += size
    return [(piece.text, piece.start_char) for piece in (*pieces, *chunker.flush())]


@pytest.mark.parametrize("seed", range(LINES))
def test_a_line_is_spoken_without_marks_and_without_a_loss(seed: int) -> None:
    written = Grammar(seed).line()
    said = normalize(written.text, language="en").text
    assert missing(written.heard, said) == "", (written.text, said)
    assert {sign for sign in said if not sign.isalpha()} <= SPOKEN_SIGNS, (written.text, said)


@pytest.mark.parametrize("seed", range(LINES))
def test_nothing_is_lost_where_a_line_comes_in_pieces(seed: int) -> None:
    grammar = Grammar(seed)
    written, chance, fence, said = join([grammar.line() for _ in range(3)], "\n"), Random(seed), "", ""  # noqa: S311
    for text, place in in_pieces(written.text, chance):
        part = normalize(text, fence=fence, language="en", begins_line=place == 0)
        fence, said = part.fence, f"{said} {part.text}"
    assert missing(written.heard, said) == "", (written.text, said)
    assert {sign for sign in said if not sign.isalpha()} <= SPOKEN_SIGNS, (written.text, said)


@pytest.mark.parametrize("seed", range(LINES))
def test_marks_point_at_the_words_that_were_written(seed: int) -> None:
    written = Grammar(seed).line()
    said = normalize(written.text, language="en")
    marks = WrittenMarks(said, 1_000)
    places = [mark for word in words_of(said.text) for mark in marks.written(WordMark(*word, 0))]
    assert all(before.end_char <= after.start_char for before, after in pairwise(places))
    shown = [written.text[mark.start_char - 1_000 : mark.end_char - 1_000] for mark in places]
    # Each word that was written is within a mark of its own.
    for word in (word for word in written.heard if word in WORDS):
        assert any(word in part for part in shown), (word, shown)
