"""Says how far a reply was heard, in words: joins one reply's text to the audio in which its words sound.

Knows nothing of the wire, of the listener's reports, or of what is done with the words.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass

# Chinese and Japanese put no spaces between words: Han, kana, their punctuation and full-width forms.
_UNSPACED = "\u2e80-\u312f\u31a0-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff"
_WORD = re.compile(rf"[^\s{_UNSPACED}]+|\S")
# A place with one of these before or after it is a place between words.
_BREAK_BEFORE = re.compile(rf"[\s\u2013-\u2015\u2026{_UNSPACED}]")
_BREAK_AFTER = re.compile(rf"[\s{_UNSPACED}]")


@dataclass(frozen=True, slots=True)
class _Word:
    """A word with its place in the reply's text, and where its sound begins."""

    start_char: int
    end_char: int
    sample: int


class SpokenText:
    """The text of one reply, growing by deltas, and where in the reply's audio each of its words sounds.

    A word is heard once at least half of its sound has played: in a sentence, listeners know a word from about its
    first half (gating experiments, Grosjean 1980). A word sounds until the next one begins or its sentence ends; while
    neither is known it is not heard. What has no sound of its own, as an emoji, goes with the words around it.
    """

    def __init__(self) -> None:
        self._deltas: list[str] = []
        self._words: list[_Word] = []
        self._sentence_char = 0
        self._ends: list[int] = []  # samples at which the sound of a sentence, or of the reply, is over
        self._finished = False

    @property
    def text(self) -> str:
        """Everything that the LLM has said so far, heard or not."""
        return "".join(self._deltas)

    def delta(self, text: str) -> None:
        """Append a piece of text."""
        self._deltas.append(text)

    def mark(self, start_char: int, end_char: int, sample: int) -> None:
        """Note that the word `text[start_char:end_char]` begins at `sample` of the reply's audio.

        Marks come in the order of the text. One that goes back in it, or is empty, is left out; one that goes back in
        time is moved to where the word before it begins.
        """
        previous = self._words[-1] if self._words else _Word(0, 0, 0)
        if end_char > start_char >= previous.end_char:
            self._words.append(_Word(start_char, end_char, max(sample, previous.sample)))

    def sentence_end(self, end_char: int, sample: int) -> None:
        """Note that the sound of a sentence, which is `text` up to `end_char`, is over at `sample`.

        A sentence without marks, as from a voice that gives none, has its words spread over its sound by their length:
        an estimate, the only one here.
        """
        if not self._words or self._words[-1].start_char < self._sentence_char:
            self._spread(end_char, sample)
        self._sentence_char = max(end_char, self._sentence_char)
        self._end_sound(sample)

    def finish(self, samples: int) -> None:
        """Note that text and audio are complete, and the audio has `samples`."""
        self._end_sound(samples)
        self._finished = True

    def heard(self, samples_played: int) -> str:
        """Return the words that were heard when `samples_played` have played; never a part of a word."""
        return self.text[: self._cut(samples_played)].strip()

    def said_between(self, first_sample: int, end_sample: int) -> str:
        """Return the words that sound between two places in the audio; everything, where no word has a place yet."""
        if not self._words:
            return self.text
        first = max(0, bisect_right(self._words, first_sample, key=lambda word: word.sample) - 1)
        end = bisect_right(self._words, end_sample, key=lambda word: word.sample)
        return self.text[self._words[first].start_char : self._words[end - 1].end_char] if end > first else ""

    def unsaid(self, samples_played: int) -> str:
        """Return the rest of the text so far: what the listener did not hear."""
        return self.text[self._cut(samples_played) :].strip()

    def _end_sound(self, sample: int) -> None:
        self._ends.append(max(sample, self._ends[-1] if self._ends else 0))

    def _spread(self, end_char: int, end_sample: int) -> None:
        start_char, start_sample = self._sentence_char, self._ends[-1] if self._ends else 0
        samples_per_char = max(end_sample - start_sample, 0) / max(end_char - start_char, 1)
        for found in _WORD.finditer(self.text, start_char, end_char):
            sample = start_sample + round((found.start() - start_char) * samples_per_char)
            self.mark(found.start(), found.end(), sample)

    def _cut(self, samples_played: int) -> int:
        """Where in the text the heard part ends."""
        count, text = self._count_heard(samples_played), self.text
        if self._words and count == len(self._words) and self._finished:
            return len(text)
        # Marks may be finer than words ("well-known" has two): step back to a place between words.
        for index in reversed(range(count)):
            following = self._words[index + 1].start_char if index + 1 < len(self._words) else len(text)
            cut = _after_punctuation(text, self._words[index].end_char, following)
            if _is_between_words(text, cut):
                return cut
        return 0

    def _count_heard(self, samples_played: int) -> int:
        for index, word in enumerate(self._words):
            ends = self._ends[bisect_right(self._ends, word.sample) :][:1]
            if index + 1 < len(self._words):
                ends.append(self._words[index + 1].sample)
            if not ends or samples_played <= word.sample or 2 * samples_played < word.sample + min(ends):
                return index
        return len(self._words)


def _after_punctuation(text: str, start_char: int, limit_char: int) -> int:
    """The end of the punctuation that is attached to the word which ends at `start_char`."""
    position = start_char
    while position < min(limit_char, len(text)) and not (text[position].isspace() or text[position].isalnum()):
        position += 1
    return position


def _is_between_words(text: str, position: int) -> bool:
    if position >= len(text):
        return True
    return bool(_BREAK_BEFORE.match(text[position - 1]) or _BREAK_AFTER.match(text[position]))
