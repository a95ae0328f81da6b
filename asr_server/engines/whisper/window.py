"""The part of one utterance that is transcribed anew each time: what was agreed on is cut off its beginning.

Local agreement of two (Liu et al., "Low-latency sequence-to-sequence speech recognition", 2020) on words with times, as
Macháček et al. use it for Whisper ("Turning Whisper into real-time transcription system", 2023). Words that were cut
off are never taken back, and no transcription covers more than `longest_seconds`, however long the utterance is.
Knows nothing of models.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Final

import numpy as np

from asr_server.engine import RATE_HZ

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from asr_server.engine import Word

_QUIET_SAMPLES: Final = 800
# The last words before the end of the sound may be halves.
_MARGIN_SECONDS: Final = 1.0
# Where more words are said to have sounded, their times are wrong; in some languages a word is one character.
_MOST_WORDS_A_SECOND: Final = 12
# Word times are that far off: a cut is looked for so far around the gap between two words.
_SLACK_SAMPLES: Final = 2_400
# What a cut left of a word sounds at most so long.
_REMNANT_SAMPLES: Final = 4_000
_MOST_REMNANTS: Final = 3
_SENTENCE_END = re.compile(r"[.!?…。！？]\W*$")
_SOUNDLESS = re.compile(r"\W+")


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one transcription may cover."""

    slide_seconds: float = 8.0
    """From here on words that were agreed on are cut off. Shorter utterances are transcribed as a whole."""
    longest_seconds: float = 15.0
    """What is longer is cut where it is quietest, agreed or not."""
    search_seconds: float = 4.0
    """Such a cut is looked for in that much before the end."""


class Window:
    """The open part of one utterance. Samples are counted from the utterance's beginning."""

    def __init__(self, limits: Limits | None = None) -> None:
        """Begin with the utterance."""
        self._limits = limits or Limits()
        self._last: Sequence[Word] = ()
        self.first_sample = 0
        self.kept: tuple[Word, ...] = ()

    def overflow(self, audio: NDArray[np.float32]) -> int | None:
        """Where to cut what is open of `audio`, the whole utterance, for being too long; None: it is not."""
        longest = round(self._limits.longest_seconds * RATE_HZ)
        if len(audio) - self.first_sample <= longest:
            return None
        end = self.first_sample + longest
        return _quietest(audio, end - round(self._limits.search_seconds * RATE_HZ), end)

    def fresh(self, words: Sequence[Word]) -> Sequence[Word]:
        """`words` of the open part without those at its beginning that are remnants of words before the cut."""
        for count in range(min(_MOST_REMNANTS, len(words), len(self.kept)), 0, -1):
            brief = words[count - 1].end_sample - self.first_sample <= count * _REMNANT_SAMPLES
            if brief and _agreement(self.kept[-count:], words[:count]) == count:
                return words[count:]
        return words

    def look(self, words: Sequence[Word], audio: NDArray[np.float32]) -> None:
        """Take the fresh words of the open part of `audio`, and cut off what two transcriptions in a row agree on."""
        agreed = _agreement(self._last, words)
        self._last = words
        if len(audio) - self.first_sample <= self._limits.slide_seconds * RATE_HZ:
            return
        latest = len(audio) - round(_MARGIN_SECONDS * RATE_HZ)
        ends = [word.end_sample for word in words[:agreed]]
        places = [
            place
            for place, end in enumerate(ends, start=1)
            if self.first_sample + place * RATE_HZ // _MOST_WORDS_A_SECOND <= end <= latest
        ]
        if places:
            self._cut(words, _best(words, places), audio)

    def close(self, words: Sequence[Word], end: int) -> None:
        """Keep the fresh words of the open part up to the sample `end`, where the rest begins."""
        self.kept += tuple(words)
        self._last = ()
        self.first_sample = end

    def _cut(self, words: Sequence[Word], place: int, audio: NDArray[np.float32]) -> None:
        self.kept += tuple(words[:place])
        self._last = words[place:]
        before = words[place - 1].end_sample
        after = words[place].first_sample if place < len(words) else before + _SLACK_SAMPLES
        start = max(self.first_sample, min(before, after) - _SLACK_SAMPLES)
        self.first_sample = _quietest(audio, start, max(before, after) + _SLACK_SAMPLES)


def _agreement(one: Sequence[Word], other: Sequence[Word]) -> int:
    """How many words at the beginning are the same, but for case and punctuation."""
    pairs = zip(one, other, strict=False)
    return sum(1 for _ in takewhile(lambda pair: _bare(pair[0]) == _bare(pair[1]), pairs))


def _bare(word: Word) -> str:
    return _SOUNDLESS.sub("", word.text).casefold() or word.text.strip()


def _best(words: Sequence[Word], places: Sequence[int]) -> int:
    """The place after the last sentence; where none ends, the one with the longest pause."""
    ends = [place for place in places if _SENTENCE_END.search(words[place - 1].text)]
    return ends[-1] if ends else max(places, key=lambda place: (_pause(words, place), place))


def _pause(words: Sequence[Word], place: int) -> int:
    return words[place].first_sample - words[place - 1].end_sample if place < len(words) else 0


def _quietest(audio: NDArray[np.float32], first: int, end: int) -> int:
    """The middle of the quietest 50 ms between two samples."""
    searched = audio[first:end]
    count = len(searched) // _QUIET_SAMPLES
    if not count:
        return min(end, len(audio))
    power = (searched[: count * _QUIET_SAMPLES].reshape(count, _QUIET_SAMPLES) ** 2).mean(axis=1)
    return first + int(np.argmin(power)) * _QUIET_SAMPLES + _QUIET_SAMPLES // 2
