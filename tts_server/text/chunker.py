"""Cuts a stream of text deltas into pieces to be spoken: a short one first, then whole sentences.

Pieces join exactly to the text received, and do not depend on how the text was split into deltas. Knows nothing of
Markdown, of voices or of time; who notices that the writer stalls calls `pause`.
"""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import dataclass
from typing import Final

# Quotes, brackets and emphasis that belong to the sentence they close.
_CLOSERS: Final = r"""["'”’»)\]}*_~`」』）】》]*"""
_BREAK = re.compile(
    rf"(?P<full>(?P<mark>[.!?…।॥؟۔։።]+){_CLOSERS})|(?P<wide>[。！？｡]+{_CLOSERS})"
    rf"|(?P<clause>[,;:،؛]+{_CLOSERS})|(?P<free>[、，；：—]+|(?<!\d)–+(?!\d))|(?P<line>\n)|(?P<space>[^\S\n]+)"
)
# Marks that are for the ends of sentences alone, in whatever script.
_SURE: Final = frozenset("!?।॥؟۔։።")
# A number, which may go on, or have what it counts after it; a sign, or a short form, which says nothing alone.
_OPEN: Final = re.compile(r"(?:[\d$€£¥₹+±~#§№−<>=≤≥≠≈×÷*/^|][.,:;/\-–'’]?|(?<!\w)[^\W\d_]{1,3}\.)$")
_OPEN_WINDOW: Final = 8
# With one of these a number, or a sign between two, goes on; with one of the letters perhaps, as in "Louis XIV".
_GOES_ON: Final = frozenset("$€£¥₹+±~#§№−<>=≤≥≠≈×÷*/^|-–%°½⅓⅔¼¾")
# Never the end of a sentence, in the languages that are spoken most.
_TITLES: Final = frozenset(
    [
        "dr",
        "mr",
        "mrs",
        "ms",
        "mx",
        "prof",
        "st",
        "rev",
        "gen",
        "sen",
        "rep",
        "gov",
        "capt",
        "lt",
        "col",
        "sgt",
        "hon",
        "vs",
        "cf",
        "al",
        "bzw",
        "ca",
        "usw.z",
        "hr",
        "fr",
        "frl",
        "mme",
        "mlle",
        "sra",
        "dra",
        "e.g",
        "i.e",
        "z.b",
        "d.h",
        "u.a",
        "p.ex",
        "d.w.z",
    ]
)
# Before a number they are short for something; otherwise they may be a whole answer, as "No." is.
_NUMBERED: Final = frozenset(["no", "nr", "nos", "fig", "vol", "p", "pp", "ch", "sec", "art", "para"])
# The end of a sentence only where a capital follows.
_MAYBE: Final = frozenset(["etc", "inc", "ltd", "co", "corp", "jr", "sr", "approx", "est", "dept", "usw", "min", "max"])
_SHORT = re.compile(r"""(?<![^\s"'“‘«(\[{])([^\s."'“‘«(\[{]\S*)\.(?=\s+(\w+|\S))""")
# With one of these a sentence begins, even after "U.S."
_STARTER = re.compile(
    r"An?|And|As|At|But|For|He|How|I|If|In|It|My|No|On|Or|She|So|That|The|Then|There|These|They|This|We|Wh(?:at|en|ere|o|y)"
    r"|Yes|You"
)
_DOTTED = re.compile(r"(?:[^\W\d_]\.)+[^\W\d_]")
_LIST_NUMBER = re.compile(r"(?:^|\n)\s*\d{1,3}$")
_LAST_TOKEN = re.compile(r"""[\s"'“‘«(\[{*_]*(\S*)$""")
# A mark followed by more spaces than this is the end, whatever follows them.
_LOOKAHEAD: Final = 16
_ROMAN: Final = re.compile(rf"\s{{0,{_LOOKAHEAD - 1}}}[IVXLCDM]{{1,12}}(?P<ends>\W)?")
# A run without any space, as a key or a hash, is cut here at last.
_HARD_LIMIT: Final = 1_000
# What belongs to one character is not torn apart, unless it is more than any script puts on one.
_MOST_COMBINED: Final = 32


FIRST_WORDS: Final = 8
"""Words of a first piece that ends without a mark."""


@dataclass(frozen=True, slots=True)
class ChunkerConfig:
    """How long pieces are, in characters; a full-width character counts twice, as it sounds twice as long."""

    first_characters: int = 12
    """The first piece may end at any clause mark from here on: the listener waits for it."""
    first_words: int = FIRST_WORDS
    """The first piece ends after so many words even without a mark; 0: it does not."""
    sentence_characters: int = 20
    """Later pieces have at least so many; shorter sentences are joined to the next."""
    longest_characters: int = 200
    """A longer sentence is cut at a clause mark, or else between words."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of the text, to be spoken in one breath."""

    text: str
    """Exactly as received."""
    start_char: int
    """Its first character in the whole text."""
    end_char: int
    """The character after its last one."""


class Chunker:
    """Cuts the text of one reply."""

    def __init__(self, config: ChunkerConfig | None = None) -> None:
        """Begin at character 0."""
        self._config = config or ChunkerConfig()
        self._text = ""
        self._start = 0
        self._first = True
        self._first_words = self._config.first_words or math.inf

    @property
    def waiting(self) -> str:
        """Text that has come and is in no piece yet."""
        return self._text

    def add(self, delta: str) -> list[Piece]:
        """Take the next piece of text; the pieces that are complete now."""
        self._text += delta
        pieces = []
        while cut := self._cut():
            pieces.append(self._take(cut))
        return pieces

    def hurry(self) -> list[Piece]:
        """The first piece may end after a few words from now on; the pieces that are complete now."""
        self._first_words = FIRST_WORDS
        return self.add("")

    def pause(self) -> list[Piece]:
        """The writer has stalled: what can be said of the rest without breaking a word, an abbreviation or a number."""
        shown = self._text.rstrip()
        marks = [match for match in _BREAK.finditer(shown) if match.end() == len(shown) and not match["space"]]
        if marks and not _is_open(shown) and self._is_end(marks[-1], following="A"):
            return [self._take(len(self._text))]
        place = len(self._text) if self._text[-1:].isspace() else _last_space(shown)
        while place > 0 and _is_open(self._text[:place].rstrip()):
            place = _last_space(self._text[:place].rstrip())
        enough = place > 0 and _breadth(shown[:place].strip()) >= self._config.first_characters
        return [self._take(place)] if enough else []

    def flush(self) -> list[Piece]:
        """The text is complete, or is to be spoken at once: all the rest."""
        return [self._take(len(self._text))] if self._text else []

    def _take(self, length: int) -> Piece:
        piece = Piece(self._text[:length], self._start, self._start + length)
        self._text = self._text[length:]
        self._start = piece.end_char
        self._first = self._first and not piece.text.strip()
        return piece

    def _cut(self) -> int:
        """Where the waiting text can be cut for certain, whatever comes next; 0: nowhere yet."""
        limit = self._limit()
        last_clause = last_space = words = 0
        for match in _BREAK.finditer(self._text):
            if match.end() > limit:
                break
            if match.end() == len(self._text) and not match["line"]:
                return 0  # its closing quote, or the rest of a number, may be on its way
            place = match.start() if match["line"] or match["space"] else match.end()
            words += bool(match["space"] and place)
            enough = self._is_enough(place, words)
            following = self._following(match.end())
            whole = self._is_whole(match, following)
            if whole is None or (following is None and match["mark"]):
                return 0
            if not whole:
                continue
            if enough and self._is_cut(match, following or "A"):
                return place
            if enough and self._separates(match):
                last_clause = place
            last_space = place if match["space"] and place else last_space
        if limit >= len(self._text):
            return 0
        return last_clause or last_space or self._unspaced_cut(limit)

    def _is_enough(self, place: int, words: int) -> bool:
        if self._first and words >= self._first_words:
            return True
        least = self._config.first_characters if self._first else self._config.sentence_characters
        return _breadth(self._text[:place].strip()) >= least

    def _is_cut(self, match: re.Match[str], following: str) -> bool:
        """True where a piece ends at `match`, which is far enough from its beginning."""
        if match["space"]:
            words = len(self._text[: match.start()].split())
            return self._first and words >= self._first_words
        if match["clause"] or match["free"]:
            return self._first and self._separates(match)
        return self._separates(match) and self._is_end(match, following)

    def _separates(self, match: re.Match[str]) -> bool:
        """True for a clause or sentence mark that a word follows: not the comma of 1,000 or the colon of a URL."""
        if match["space"]:
            return False
        if match["clause"] or match["full"]:
            return self._text[match.end()].isspace()
        return True

    def _is_whole(self, match: re.Match[str], following: str | None) -> bool | None:
        """False where a cut at a space or a comma tears a number from what belongs to it; None: nobody knows yet."""
        if not (match["clause"] or match["space"]):
            return True
        number = _is_open(self._text[max(0, match.start() - _OPEN_WINDOW) : match.start()])
        if match["clause"] and not (number and self._text[match.start() - 1].isdigit()):
            return True
        if following is None:
            return None
        if following.isdigit() or following in _GOES_ON:
            return False
        return True if match["clause"] else None if self._may_be_roman(match.end()) else self._is_free(match, number)

    def _may_be_roman(self, place: int) -> bool:
        """True while the word at `place` is not complete, and may be a Roman number."""
        roman = _ROMAN.match(self._text, place)
        return roman is not None and not roman["ends"] and roman.end() == len(self._text)

    def _is_free(self, match: re.Match[str], number: bool) -> bool:  # noqa: FBT001 - what is before the space
        roman = _ROMAN.match(self._text, match.end())
        return not number and not (roman and roman["ends"] and len(roman[0].strip()) > len("I "))

    def _is_end(self, match: re.Match[str], following: str) -> bool:
        """True if a sentence, or at least a clause, ends at the mark; `following` is the next character that shows."""
        if match["mark"] is None:
            return not match["space"]
        before = self._text[: match.start()]
        if not _SURE.isdisjoint(match["mark"]):
            return True
        if match["mark"] != ".":
            return not following.islower()
        token = _LAST_TOKEN.search(before)
        return not _LIST_NUMBER.search(before) and _ends_sentence(token[1] if token else "", following)

    def _following(self, position: int) -> str | None:
        """The next character that shows; None while it has not come."""
        for character in self._text[position : position + _LOOKAHEAD]:
            if not character.isspace():
                return character
        return "A" if len(self._text) >= position + _LOOKAHEAD else None

    def _limit(self) -> int:
        """Number of characters that the longest piece has here."""
        longest = self._config.longest_characters
        if len(self._text) * 2 <= longest or self._text[: longest + 1].isascii():
            return longest
        breadth = 0
        for index, character in enumerate(self._text[: longest + 1]):
            breadth += _breadth(character)
            if breadth > longest:
                return index
        return longest

    def _unspaced_cut(self, limit: int) -> int:
        """A cut in a text without spaces: beside a full-width character, else at the next space, else at last."""
        for place in range(limit, min(len(self._text), _HARD_LIMIT)):
            if self._text[place].isspace() or _breadth(self._text[place]) > 1:
                return place
        if len(self._text) <= _HARD_LIMIT:
            return 0
        for place in range(_HARD_LIMIT, _HARD_LIMIT - _MOST_COMBINED, -1):
            if not unicodedata.combining(self._text[place]) and self._text[place] not in "\u200d\ufe0f":
                return place
        return _HARD_LIMIT


def _is_open(text: str) -> bool:
    """True where `text` ends in what needs the words after it: a number, a sign or a short form."""
    found = _OPEN.search(text[-_OPEN_WINDOW:])
    if found is None:
        return False
    return not found[0][0].isalpha() or not _ends_sentence(found[0][:-1], "A")


def _last_space(text: str) -> int:
    return max(text.rfind(" "), text.rfind("\n"))


def without_short_stops(text: str) -> str:
    """`text` with spaces for full stops that end no sentence, as in "Dr. No", at which some engines would pause."""
    return _SHORT.sub(lambda found: f"{found[1]} " if _is_short(found[1], found[2]) else found[0], text)


def _is_short(token: str, next_word: str) -> bool:
    """True if the full stop after `token` only says that it is short."""
    starts = _DOTTED.fullmatch(token) and _STARTER.fullmatch(next_word)
    return not starts and not _ends_sentence(token, next_word[0])


def _ends_sentence(token: str, following: str) -> bool:
    """True if the full stop after `token` ends a sentence."""
    word = token.lower()
    if word in _TITLES or (len(token) == 1 and token.isupper() and token != "I"):
        return False
    if word in _NUMBERED:
        return not following.isdigit()
    if _DOTTED.fullmatch(token) and token.isupper():
        # "U.S.", "J.R.R.": a name mostly goes on, and two sentences in one breath do less harm than half a one.
        return False
    if word in _MAYBE or _DOTTED.fullmatch(token):
        return following.isupper()
    return True


def _breadth(text: str) -> int:
    """Characters of `text`, full-width ones counted twice."""
    if text.isascii():
        return len(text)
    return len(text) + sum(unicodedata.east_asian_width(character) in "WF" for character in text)
