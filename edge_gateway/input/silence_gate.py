"""Tells packets that are surely silent, so that they may wait for others to share a message.

Never a decision about turns: what is taken for sound here goes at once, with all that waits. So it is careful, and
takes a soft voice for sound, and noise too. Reads no clock.
"""

from __future__ import annotations

from typing import Final

# The floor follows the softest packet at once, and rises between words of a speaker who makes no pause by less than
# their voice lies above the room.
_RISE_DB: Final = 0.1
_ABOVE_FLOOR_DB: Final = 6.0
_SURELY_SILENT_DB: Final = -70.0
_SURELY_SOUND_DB: Final = -45.0
_LOWEST_DB: Final = -96.0


class SilenceGate:
    """The noise of one microphone."""

    def __init__(self) -> None:
        """Nothing is known of it: all but digital silence is sound."""
        self._floor_db = _LOWEST_DB

    def is_silent(self, level_db: float) -> bool:
        """Whether the next packet, with this RMS in dB of full scale, is no louder than the room."""
        level_db = max(level_db, _LOWEST_DB)
        self._floor_db = min(level_db, self._floor_db + _RISE_DB)
        return level_db < min(max(self._floor_db + _ABOVE_FLOOR_DB, _SURELY_SILENT_DB), _SURELY_SOUND_DB)
