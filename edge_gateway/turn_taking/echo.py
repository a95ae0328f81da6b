"""Tells the assistant's own echo from a user by what ducking does to it: an echo gets quieter with the reply.

The moment a voice is heard the reply is ducked, and that is a test of the voice too. A user goes on as loud as before,
or falls silent; an echo goes down by about as much as the reply did. Counts packets of 20 ms; knows nothing of words,
clocks or decisions.
"""

from __future__ import annotations

import math
from collections import deque
from itertools import islice
from typing import Final

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


class DuckProbe:
    """What ducking did to the sound of one listener's microphone."""

    def __init__(self, duck_db: float) -> None:
        """Judge ducks of `duck_db`, a negative number."""
        self._depth_db = -duck_db
        self._levels: deque[float] = deque(maxlen=_REMEMBERED)
        self._since_duck: int | None = None

    def hear(self, level_db: float) -> None:
        """Take the RMS of the next packet, in dB of full scale."""
        self._levels.append(max(level_db, _SILENT_DB))
        if self._since_duck is not None:
            self._since_duck += 1

    def ducked(self) -> None:
        """The reply was made quieter just now."""
        self._since_duck = 0

    def restored(self) -> None:
        """The reply is at full again, or over."""
        self._since_duck = None

    @property
    def is_echo(self) -> bool | None:
        """True when what is heard went down with the reply, False when it did not; None: that cannot be told (yet)."""
        since = self._since_duck
        if since is None or since < _ENOUGH_AFTER or len(self._levels) < since + _VOICE_BEFORE:
            return None
        levels = tuple(self._levels)
        at = len(levels) - since
        before = _loudness(levels[at - _VOICE_BEFORE : at + _STILL_BEFORE])
        after = _loudness(levels[at + _FIRST_AFTER :])
        room = min(levels)
        if after < room + _ABOVE_ROOM_DB:
            return None
        return -_LESS_DB <= before - after - self._depth_db <= _MORE_DB


def _loudness(levels_db: tuple[float, ...]) -> float:
    """Mean power of the louder half, in dB: gaps between syllables say nothing."""
    louder = sorted(levels_db, reverse=True)
    powers = [10 ** (level / 10) for level in islice(louder, max(1, len(louder) // 2))]
    return 10 * math.log10(sum(powers) / len(powers))
