"""Measures how soon a reply gives way to a listener who speaks into it. Times are seconds on the caller's clock.

They count from the packet that brings the voice's first sample, of which the bench alone knows, and so hold what the
server's detector needs to know a voice. What Parley adds to that counts from the packet that completed what the duck
needed, which is the server's to say (`Duck.decided_sample`), as it is of a turn's end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from parley_cli.bench.ledger import packet_before

if TYPE_CHECKING:
    from parley.conversation import Duck
    from parley_cli.bench.ledger import Ledger, Tally


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
        """The listener speaks into `reply`, from within the next packet on."""
        self._reply, self._packet = reply, self._ledger.packets
        self._last, self._ducked = None, False
        self._tally.interruptions += 1

    def arrived(self, reply: int, at: float) -> None:
        """A packet of a reply has come."""
        if reply == self._reply:
            self._last = at

    def ducked(self, duck: Duck, at: float) -> None:
        """The gateway had a reply made quieter, or louder again."""
        sent = self._sent(duck.reply)
        if sent is None or duck.gain_db >= 0 or self._ducked:
            return
        self._ducked = True
        self._tally.duck_ms.append((at - sent) * 1000)
        known = None if duck.decided_sample is None else self._ledger.sent_at(packet_before(duck.decided_sample))
        if known is not None and sent <= known <= at:
            self._tally.own_duck_ms.append((at - known) * 1000)

    def flushed(self, reply: int) -> None:
        """The gateway had a reply thrown away: no packet of it follows."""
        sent = self._sent(reply)
        if sent is not None and self._last is not None:
            self._tally.stop_ms.append((max(sent, self._last) - sent) * 1000)
        self._reply = 0

    def _sent(self, reply: int) -> float | None:
        return self._ledger.sent_at(self._packet) if reply and reply == self._reply else None
