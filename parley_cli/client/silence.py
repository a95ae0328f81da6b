"""Finds packets of a microphone that are silent and need not be sent, by the rule of the page.

It is `edge_gateway/web/model/silence.js` in Python, number by number: whoever measures Parley with this client has to
cost what people with the page cost. Counts packets of 20 ms; knows nothing of what is in them, nor of clocks. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

_LOWEST_DB: Final = -96.0
# The floor follows the softest packet at once, and rises by a decibel a second.
_RISE_DB: Final = 0.02
_ABOVE_FLOOR_DB: Final = 6.0
_SURELY_SILENT_DB: Final = -84.0
_SURELY_SOUND_DB: Final = -55.0
# Sent after the last sound; and after one whose turn is over, as the gateway has said since.
_AFTER_PACKETS: Final = 150
_OVER_PACKETS: Final = 25
# A sound that is no older may be another turn's.
_OTHERS_PACKETS: Final = 10
# Sent from before a sound, held back until there is one.
_BEFORE_PACKETS: Final = 15
# Of silence so many are sent in one piece, after so many that are left out.
_SENT_PACKETS: Final = 4
_LEFT_OUT_PACKETS: Final = 44
_FULL_SCALE: Final = 32_768.0

P = TypeVar("P")


def level_db(pcm: bytes) -> float:
    """How loud s16le is: RMS in dB of full scale, -96 at least."""
    samples = np.frombuffer(pcm, dtype="<i2") / _FULL_SCALE
    return max(_LOWEST_DB, float(10 * np.log10(np.mean(np.square(samples)) + 1e-12)))


class Out(NamedTuple, Generic[P]):
    """A packet that is to be sent."""

    packet: P
    """It."""
    left_out: int
    """How many were left out before it."""
    silent: bool
    """It is silent."""


class SilenceGate(Generic[P]):
    """Holds packets back while all is silent. What comes out of it is to be sent in that order."""

    def __init__(self) -> None:
        """Begin as in a room of which nothing is known."""
        self._floor = _SURELY_SOUND_DB
        self._silent = 0
        self._after = _AFTER_PACKETS
        self._held: list[tuple[P, bool]] = []
        self._left_out = 0
        self._sent = 0

    def take(self, packet: P, level: float) -> Sequence[Out[P]]:
        """Take the next packet, of this level in dB; gives what is to be sent now."""
        silent = self.is_silent(level)
        if silent:
            self._silent += 1
        else:
            self.hear_voice()
        self._held.append((packet, silent))
        if self._silent <= self._after:
            return self._release()
        return () if len(self._held) <= _BEFORE_PACKETS else self._keep_alive()

    def hear_voice(self) -> None:
        """There is a sound, or the gateway hears a voice in what this rule takes for silence: a turn may begin."""
        self._silent = 0
        self._after = _AFTER_PACKETS

    def end_turn(self) -> None:
        """The gateway has said that a turn is over, or was none."""
        if self._silent > _OTHERS_PACKETS:
            self._after = _OVER_PACKETS

    def _release(self) -> list[Out[P]]:
        self._sent = 0
        held, self._held = self._held, []
        return [self._out(*each) for each in held]

    def _keep_alive(self) -> Sequence[Out[P]]:
        """The oldest one that is held is left out, or is one of those that show that the microphone lives."""
        held = self._held.pop(0)
        if self._left_out < _LEFT_OUT_PACKETS and self._sent == 0:
            self._left_out += 1
            return ()
        self._sent = (self._sent + 1) % _SENT_PACKETS
        return (self._out(*held),)

    def _out(self, packet: P, silent: bool) -> Out[P]:  # noqa: FBT001 - a fact about the packet
        left_out, self._left_out = self._left_out, 0
        return Out(packet, left_out, silent)

    def is_silent(self, level: float) -> bool:
        """Whether the next packet, of this level in dB, is no louder than the room; for those who leave nothing out."""
        # A microphone that is muted says nothing of the room.
        if level < _SURELY_SILENT_DB:
            return True
        self._floor = min(level, self._floor + _RISE_DB)
        return level < min(_SURELY_SOUND_DB, self._floor + _ABOVE_FLOOR_DB)
