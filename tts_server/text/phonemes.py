"""Finds where the words of a text begin among the phonemes that are spoken of it.

A phonemizer says other words than are written: it joins them ("to be" becomes one), and says a number as several. So
the words are phonemized once more, each alone, and their phonemes are looked for in those of the whole. Knows nothing
of sound or of a phonemizer.
"""

from __future__ import annotations

from collections import Counter
from difflib import SequenceMatcher
from itertools import pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

GAP: Final = " "
"""The phoneme between two words."""

# Phonemes that are alike are compared with each other, again for every run that is found. Sentences have a few thousand
# such pairs; beyond this, words are placed by their lengths alone.
_MOST_PAIRS: Final = 8_000
# What a word has or has not by the words around it.
_STRESS: Final = frozenset("ˈˌ")
_SILENT: Final = frozenset((GAP, *".,;:!?"))


def place_words(alone: Sequence[Sequence[str]], whole: Sequence[str]) -> list[int]:
    """For each word the index in `whole` of its first phoneme; in order, and `len(whole)` for what is not spoken.

    `alone` are the phonemes of each word by itself, `whole` those of the text, with a `GAP` between words.
    """
    wanted: list[str] = []
    starts: list[int] = []
    for word in alone:
        starts.append(len(wanted))
        wanted += [each for each in word if each not in _STRESS and each not in _SILENT]
        wanted.append(GAP)
    kept = [place for place, each in enumerate(whole) if each not in _STRESS]
    shown = [whole[place] for place in kept]
    spoken = Counter(shown)
    if sum(many * spoken[each] for each, many in Counter(wanted).items()) > _MOST_PAIRS:
        places = [start * len(shown) // len(wanted) for start in starts]
    else:
        blocks = SequenceMatcher(None, wanted, shown, autojunk=False).get_matching_blocks()
        known = [(0, 0, 0), *blocks]
        places = [_first_heard(shown, _find(start, known, shown)) for start in starts]
    return [_with_stress(whole, kept[place]) if place < len(kept) else len(whole) for place in places]


def _find(start: int, blocks: Sequence[tuple[int, int, int]], shown: Sequence[str]) -> int:
    """Where the wanted phoneme number `start` stands: in a run that matches, or else between two."""
    for (wanted, found, length), (next_wanted, next_found, _) in pairwise(blocks):
        if start < wanted + length:
            return found + start - wanted
        if start < next_wanted:
            after = found + length
            # A word that sounds otherwise by itself begins where the next gap ends, if it is not the first after one.
            if after == 0 or shown[after - 1] == GAP or GAP not in shown[after:next_found]:
                return after
            return after + shown[after:next_found].index(GAP) + 1
    return blocks[-1][1]


def _first_heard(shown: Sequence[str], place: int) -> int:
    while place < len(shown) and shown[place] in _SILENT:
        place += 1
    return place


def _with_stress(whole: Sequence[str], place: int) -> int:
    while place and whole[place - 1] in _STRESS:
        place -= 1
    return place
