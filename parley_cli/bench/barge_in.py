"""Measures how soon a reply gives way to a listener who speaks into it. Times are seconds on the caller's clock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from parley.audio import LISTENING_RATE_HZ
from parley_cli.client.opus import MIC_RATE_HZ, PACKET_SAMPLES

if TYPE_CHECKING:
    from parley_cli.bench.ledger import Ledger, Tally

# The voice is looked for in windows of 512 samples at 16 kHz, counted from the session's first.
_WINDOW_SAMPLES: Final = 512 * MIC_RATE_HZ // LISTENING_RATE_HZ
# Both grids meet every so many packets.
ALIGNED_PACKETS: Final = 8
"""An interruption begins at a packet whose number this divides."""
ONSET_SAMPLE: Final = _WINDOW_SAMPLES // 6
"""Where in its first packet the tone of an interruption begins, at 48 kHz. A window begins with that packet: most of it
is tone, and what the codec smears ahead stays within it."""
_COMPLETING_PACKET: Final = (_WINDOW_SAMPLES - 1) // PACKET_SAMPLES


class BargeIn:
    """The interruptions of one session, one after the other."""

    def __init__(self, ledger: Ledger, tally: Tally) -> None:
        """`ledger` knows when packets were sent; `tally` takes what is found."""
        self._ledger = ledger
        self._tally = tally
        self._reply = 0
        self._packet = 0
        self._last: float | None = None
        self._ducked = False

    def begin(self, reply: int) -> None:
        """The listener speaks into `reply` from the next packet on."""
        self._reply, self._packet = reply, self._ledger.packets + _COMPLETING_PACKET
        self._last, self._ducked = None, False
        self._tally.interruptions += 1

    def arrived(self, reply: int, at: float) -> None:
        """A packet of a reply has come."""
        if reply == self._reply:
            self._last = at

    def ducked(self, reply: int, gain_db: float, at: float) -> None:
        """The gateway had a reply made quieter, or louder again."""
        sent = self._sent(reply)
        if sent is not None and gain_db < 0 and not self._ducked:
            self._ducked = True
            self._tally.duck_ms.append((at - sent) * 1000)

    def flushed(self, reply: int) -> None:
        """The gateway had a reply thrown away: no packet of it follows."""
        sent = self._sent(reply)
        if sent is not None and self._last is not None:
            self._tally.stop_ms.append((max(sent, self._last) - sent) * 1000)
        self._reply = 0

    def _sent(self, reply: int) -> float | None:
        return self._ledger.sent_at(self._packet) if reply and reply == self._reply else None
