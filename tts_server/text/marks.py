"""Gives every written word a mark, whatever an engine marked: it may join words, skip them, or mark parts of a number.

Knows nothing of sound or of engines.
"""

from __future__ import annotations

import re
from itertools import pairwise

from tts_server.engine import WordMark

# Scripts that put no space between words: each character is marked, and a small kana with the one before it.
_WIDE = r"\u3041-\u3096\u30a1-\u30fa\u30fc\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_SMALL = r"ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮー"
_WORD = re.compile(rf"[^\s\w]*[{_WIDE}][{_SMALL}]*[^\s\w]*|[^\s{_WIDE}]*[^\W{_WIDE}][^\s{_WIDE}]*")


def words_of(text: str) -> list[tuple[int, int]]:
    """First character of each word of `text`, and the one after its last."""
    return [(match.start(), match.end()) for match in _WORD.finditer(text)]


def mark_words(text: str, given: list[WordMark], samples: int) -> list[WordMark]:
    """One mark for each word of `text`, in order.

    `given` are an engine's own marks, `samples` is the length of the sound. A word without a mark of its own lies
    between those of its neighbours, by their letters, and is marked as estimated.
    """
    words = words_of(text)
    known = [(0, 0)]
    own_marks: set[int] = set()
    for start, end in words:
        own = next((mark.sample for mark in given if start <= mark.start_char < end), None)
        if own is None or own < known[-1][1]:
            continue
        own_marks.add(start)
        if start > known[-1][0]:
            known.append((start, own))
    known.append((max(len(text), known[-1][0] + 1), max(samples, known[-1][1])))
    return [WordMark(start, end, _at(start, known), start not in own_marks) for start, end in words]


def _at(place: int, known: list[tuple[int, int]]) -> int:
    """The sample at character `place`, between the known ones around it."""
    for (start, sample), (end, next_sample) in pairwise(known):
        if start <= place < end:
            return sample + (next_sample - sample) * (place - start) // (end - start)
    return known[-1][1]
