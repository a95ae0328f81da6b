"""Judges what a listener says while the assistant speaks: an echo of the assistant, a nod, a wish to stop, or a turn.

Knows nothing of sound or of time.
"""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from typing import Final

# What people say to show that they listen, without wanting the floor.
_ENGLISH_NODS: Final = (
    "yeah yep yes uh huh uhhuh mhm mm mmm hmm hm mmhmm okay ok right sure aha ah oh i see ic good great wow really "
    "true exactly nice cool alright"
)
BACKCHANNELS: Final = {"en": frozenset(_ENGLISH_NODS.split())}
# Nods of two words; "I see" is often written as two letters, of which the second only has to rhyme.
_TWO_WORDS: Final = ((re.compile(r"\bi [bcdegptvz]\b"), "i see"), (re.compile(r"\ball right\b"), "alright"))
# What ends a reply at once, however short it is.
_ENGLISH_STOPS: Final = "stop|wait|hold on|shut up|be quiet|quiet|enough|pause|cancel|no no|never mind"
STOP_PHRASES: Final = {"en": frozenset(_ENGLISH_STOPS.split("|"))}
# An echo comes back through a loudspeaker, a room and a recogniser: most words survive, in runs. A single word that
# both say is no evidence; common ones stand in every reply.
_ECHO_SHARE: Final = 0.6
_ECHO_LEAST_RUN: Final = 2

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")


def normalise(text: str) -> tuple[str, ...]:
    """Words of `text` without case and punctuation, so that two transcriptions of the same speech compare equal."""
    return tuple(_WORD.findall(text.casefold()))


def same_words(one: str, other: str) -> bool:
    """True when two texts say the same, apart from case, punctuation and spacing."""
    return normalise(one) == normalise(other)


def is_backchannel(text: str, language: str = "en") -> bool:
    """True when `text` is only a sign of listening, such as "mhm" or "oh really"."""
    said = " ".join(normalise(text))
    for written, meant in _TWO_WORDS:
        said = written.sub(meant, said)
    words = said.split()
    return bool(words) and all(word in BACKCHANNELS.get(language[:2], frozenset()) for word in words)


def is_stop(text: str, language: str = "en") -> bool:
    """True when `text` is a wish that the assistant stop."""
    said = " ".join(normalise(text))
    return any(
        said == phrase or said.startswith(f"{phrase} ") for phrase in STOP_PHRASES.get(language[:2], frozenset())
    )


def is_echo(text: str, being_said: str) -> bool:
    """True when `text` is most likely the assistant's own voice: its words stand, in order, in what is being said."""
    words, said = normalise(text), normalise(being_said)
    if not words or not said:
        return False
    blocks = SequenceMatcher(None, words, said, autojunk=False).get_matching_blocks()
    runs = (block.size for block in blocks if block.size >= _ECHO_LEAST_RUN)
    return sum(runs) / len(words) >= _ECHO_SHARE
