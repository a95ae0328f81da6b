"""Accounts for every turn of a bench: measured, or the reason why not.

A `Ledger` follows one session by what its listener sent and got, and when; what it finds goes into a `Tally` that all
sessions share. Times are seconds on one clock that the caller reads. Knows nothing of sockets.
"""

from __future__ import annotations

import enum
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from parley.audio import LISTENING_RATE_HZ
from parley.conversation import ErrorEvent, Outcome
from parley_cli.client.opus import MIC_RATE_HZ, PACKET_SAMPLES

if TYPE_CHECKING:
    from parley.conversation import TurnReport

# The session's audio clock, as conversation.proto defines it, counts what the microphone sent at 16 kHz.
_CLOCK_SAMPLES: Final = PACKET_SAMPLES * LISTENING_RATE_HZ // MIC_RATE_HZ
_MICROPHONE_SAMPLES: Final = MIC_RATE_HZ // LISTENING_RATE_HZ


class Reason(enum.Enum):
    """Why the own delay of a turn is not known."""

    NO_REPLY = "no reply"
    """It ended without a packet of a reply."""
    INTERRUPTED = "interrupted"
    """Its reply was interrupted or cancelled."""
    TIMED_OUT = "timed out"
    """Its end was not reported in time."""
    ERROR = "error"
    """It failed, and an error was told."""
    DISCARDED = "discarded"
    """The server took it for noise."""
    UNMATCHED = "unmatched"
    """The server reported a turn that does not belong to what was said: it decided within the speech, or at a sample
    that had not been sent before the reply came, or nobody had spoken."""
    CONNECTION_LOST = "connection lost"
    """The session ended in the middle of it."""


@dataclass(slots=True)
class Tally:
    """What all listeners have seen."""

    delays_ms: list[float] = field(default_factory=list)
    """Own delay of each measured turn."""
    silences_ms: list[float] = field(default_factory=list)
    """From the end of speech to the sample at which it was found, of each measured turn; milliseconds of audio."""
    unmeasured: Counter[Reason] = field(default_factory=Counter)
    """Turns of which the own delay is not known."""
    errors: Counter[str] = field(default_factory=Counter)
    """Error events, by what they said."""
    late_ms: list[float] = field(default_factory=list)
    """How late each packet of a reply came for a listener's buffer; 0 for those in time."""
    underruns: int = 0
    """Replies in which a listener's buffer ran dry."""
    send_late_ms: list[float] = field(default_factory=list)
    """How much later than its time each packet of a microphone was sent: the fault of the bench itself."""

    @property
    def turns_ms(self) -> list[float]:
        """From the end of speech to the first packet of the reply, of each measured turn."""
        return [silence + delay for silence, delay in zip(self.silences_ms, self.delays_ms, strict=True)]

    @property
    def turns(self) -> int:
        """All turns, measured or not."""
        return len(self.delays_ms) + self.unmeasured.total()


class Ledger:
    """The turns of one session, one after the other."""

    def __init__(self, tally: Tally) -> None:
        """Begin before the first packet; `tally` takes what is found."""
        self._tally = tally
        self._sent_at: list[float] = []
        self._open = False
        self._failed = False
        self._first_sample = self._fell_silent = 0
        self._arrivals: dict[int, float] = {}

    @property
    def packets(self) -> int:
        """Packets that were sent: the number of the next one."""
        return len(self._sent_at)

    @property
    def open(self) -> bool:
        """True while a turn waits to be accounted for."""
        return self._open

    def begin(self, end_sample: int) -> None:
        """Something will be said from the next packet on, up to `end_sample` (48 kHz, counted from there)."""
        self._open, self._failed = True, False
        self._first_sample = self.packets * _CLOCK_SAMPLES
        self._fell_silent = self._first_sample + end_sample // _MICROPHONE_SAMPLES
        self._arrivals.clear()

    def sent(self, at: float) -> None:
        """A packet is about to be sent."""
        self._sent_at.append(at)

    def arrived(self, reply: int, at: float) -> None:
        """A packet of a reply has come."""
        self._arrivals.setdefault(reply, at)

    def failed(self, error: ErrorEvent) -> None:
        """Something went wrong; the turn may be answered all the same."""
        self._failed = True
        self._tally.errors[f"{error.hop}: {error.message}" if error.hop else error.message] += 1

    def discarded(self) -> None:
        """What was said is taken for noise; before the end of speech that may be only a part of it."""
        if self._open and self.packets * _CLOCK_SAMPLES > self._fell_silent:
            self._close(Reason.DISCARDED)

    def reported(self, report: TurnReport) -> None:
        """A turn is over."""
        of_another = report.decided_sample is not None and report.decided_sample <= self._first_sample
        if not self._open or of_another:
            self._tally.unmeasured[Reason.UNMATCHED] += 1
            return
        arrival = self._arrivals.get(report.reply)
        if report.outcome in (Outcome.INTERRUPTED, Outcome.CANCELLED):
            self._close(Reason.INTERRUPTED)
        elif arrival is None or report.outcome is not Outcome.COMPLETED:
            self._close(Reason.ERROR if self._failed else Reason.NO_REPLY)
        else:
            self._measure(report.decided_sample, arrival)

    def give_up(self, reason: Reason) -> None:
        """Nothing more is waited for; a turn in which an error was told counts as that."""
        if self._open:
            self._close(Reason.ERROR if self._failed and reason is Reason.TIMED_OUT else reason)

    def _measure(self, decided_sample: int | None, arrival: float) -> None:
        if decided_sample is None or not self._fell_silent < decided_sample <= self.packets * _CLOCK_SAMPLES:
            self._close(Reason.UNMATCHED)
            return
        delay = arrival - self._sent_at[(decided_sample - 1) // _CLOCK_SAMPLES]
        if delay < 0:
            self._close(Reason.UNMATCHED)
            return
        self._open = False
        self._tally.delays_ms.append(delay * 1000)
        self._tally.silences_ms.append((decided_sample - self._fell_silent) * 1000 / LISTENING_RATE_HZ)

    def _close(self, reason: Reason) -> None:
        self._open = False
        self._tally.unmeasured[reason] += 1
