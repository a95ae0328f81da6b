"""Knows the phrases of turn-taking: backchannels ("mhm"), and wishes that the assistant stop.

Knows nothing of sound or of time.
"""

from __future__ import annotations

import re
from typing import Final

# What people say to show that they listen, without wanting the floor.
_ENGLISH_BACKCHANNELS: Final = (
    "yeah yep yes uh huh uhhuh mhm mm mmm hmm hm mmhmm okay ok right sure aha ah oh i see ic good great wow really "
    "true exactly nice cool alright"
)
BACKCHANNELS: Final = {"en": frozenset(_ENGLISH_BACKCHANNELS.split())}
# Backchannels of two words; "I see" is often written as two letters, of which the second only has to rhyme.
_TWO_WORDS: Final = ((re.compile(r"\bi [bcdegptvz]\b"), "i see"), (re.compile(r"\ball right\b"), "alright"))
# What ends a reply at once, however short it is.
_ENGLISH_STOPS: Final = "stop|wait|hold on|shut up|be quiet|quiet|enough|pause|cancel|no no|never mind"
STOP_PHRASES: Final = {"en": frozenset(_ENGLISH_STOPS.split("|"))}
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


def stop_phrase(text: str, language: str = "en") -> str:
    """The stop phrase that `text` begins with; empty when it is no wish that the assistant stop."""
    said = " ".join(normalise(text))
    for phrase in STOP_PHRASES.get(language[:2], frozenset()):
        if said == phrase or said.startswith(f"{phrase} "):
            return phrase
    return ""
