"""Tells the assistant's own echo from a user: by what the duck does to the sound, and where that is silent, by words.

All that decides it stands here. The moment a voice is heard the reply is ducked, and that is a test of the voice too: a
user goes on as loud as before, or falls silent; an echo goes down by about as much as the reply did. Only where the
sound says nothing, words are compared with what the reply was saying at that time. Counts packets of 20 ms; knows
nothing of clocks, nor of what follows from the verdict.
"""

from __future__ import annotations

import math
from array import array
from difflib import SequenceMatcher
from itertools import islice
from typing import Final

from edge_gateway.turn_taking.phrases import normalise, stop_phrase

DUCK_DB: Final = -18.0
"""How much quieter a reply is while somebody speaks over it."""

_PACKET_SECONDS: Final = 0.02
_REMEMBERED: Final = round(3.0 / _PACKET_SECONDS)
# A duck needs this long to come back: to the listener, through their loudspeaker and the room, and to us.
_FIRST_AFTER: Final = round(0.24 / _PACKET_SECONDS)
_ENOUGH_AFTER: Final = round(0.36 / _PACKET_SECONDS)
# Before the first of these, an echo cannot know of the duck.
_STILL_BEFORE: Final = round(0.04 / _PACKET_SECONDS)
_VOICE_BEFORE: Final = round(0.14 / _PACKET_SECONDS)
# How much less and how much more than the duck's own depth an echo may fall: a reply begins loud and has soft syllables
# after that. A user who falls silent is not taken for one, for an echo stays so far above the room.
_LESS_DB: Final = 8.0
_MORE_DB: Final = 14.0
_ABOVE_ROOM_DB: Final = 4.0
_SILENT_DB: Final = -96.0
# An echo comes back through a loudspeaker, a room and a recogniser: most words survive, in runs. A single word that
# both say is no evidence; common ones stand in every reply.
_ECHO_SHARE: Final = 0.6
_ECHO_LEAST_RUN: Final = 2
# A user may speak into an echo, so the words that came last decide.
_LAST_WORDS: Final = 8


class MicrophoneLevels:
    """How loud the microphone was in the last three seconds in which a reply could be heard."""

    def __init__(self) -> None:
        """Nothing was heard yet."""
        self.packets = 0
        """Packets heard in all: a place in time."""
        self._levels = array("f")
        """Those of the last packets, and as many more at most."""

    def hear(self, level_db: float) -> None:
        """Take the RMS of the next packet, in dB of full scale."""
        self.packets += 1
        self._levels.append(max(level_db, _SILENT_DB))
        if len(self._levels) >= 2 * _REMEMBERED:
            del self._levels[:-_REMEMBERED]

    def fell_with_duck(self, ducked_at: int) -> bool | None:
        """True when what is heard went down with the reply, False when it did not; None: that cannot be told (yet).

        `ducked_at` is what `packets` was when the reply was ducked.
        """
        since = self.packets - ducked_at
        levels = tuple(self._levels[-_REMEMBERED:])
        if since < _ENOUGH_AFTER or len(levels) < since + _VOICE_BEFORE:
            return None
        at = len(levels) - since
        before = _loudness(levels[at - _VOICE_BEFORE : at + _STILL_BEFORE])
        after = _loudness(levels[at + _FIRST_AFTER :])
        room = min(levels)
        if after < room + _ABOVE_ROOM_DB:
            return None
        return -_LESS_DB <= before - after + DUCK_DB <= _MORE_DB


def is_own_voice(text: str, said: str, fell_with_duck: bool | None) -> bool:  # noqa: FBT001 - evidence, no switch
    """True when `text` is the assistant's own voice: what the duck has shown decides; else the words do.

    `said` is what the reply was saying while this was heard, and not more than that.
    """
    return _repeats(text, said) if fell_with_duck is None else fell_with_duck


def is_wish_to_stop(text: str, said: str, language: str, fell_with_duck: bool | None) -> bool:  # noqa: FBT001 - likewise
    """True when `text` begins with a stop phrase that is the user's, not one of the reply's own words."""
    phrase = stop_phrase(text, language)
    if not phrase:
        return False
    return fell_with_duck is False or f" {phrase} " not in f" {' '.join(normalise(said))} "


def _repeats(text: str, said: str) -> bool:
    """True when most of the last words of `text` stand, in order, in what is being said."""
    words, being_said = normalise(text)[-_LAST_WORDS:], normalise(said)
    if not words or not being_said:
        return False
    blocks = SequenceMatcher(None, words, being_said, autojunk=False).get_matching_blocks()
    runs = (block.size for block in blocks if block.size >= _ECHO_LEAST_RUN)
    return sum(runs) / len(words) >= _ECHO_SHARE


def _loudness(levels_db: tuple[float, ...]) -> float:
    """Mean power of the louder half, in dB: gaps between syllables say nothing."""
    louder = sorted(levels_db, reverse=True)
    powers = [10 ** (level / 10) for level in islice(louder, max(1, len(louder) // 2))]
    return 10 * math.log10(sum(powers) / len(powers))
