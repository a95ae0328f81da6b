"""Accounts for every turn of a bench: measured, or the reason why not.

A `Ledger` follows one session by what its listener sent and got, and when; what it finds goes into a `Tally` that the
sessions of a process share. Times are seconds on one clock that the caller reads. Knows nothing of sockets.
"""

from __future__ import annotations

import enum
from collections import Counter
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Final

from parley.audio import LISTENING_RATE_HZ
from parley.conversation import ErrorEvent, Outcome
from parley_cli.client.opus import MIC_RATE_HZ, PACKET_SAMPLES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from parley.conversation import TurnReport

# The session's audio clock, as conversation.proto defines it, counts what the microphone sent at 16 kHz.
_CLOCK_SAMPLES: Final = PACKET_SAMPLES * LISTENING_RATE_HZ // MIC_RATE_HZ
_MICROPHONE_SAMPLES: Final = MIC_RATE_HZ // LISTENING_RATE_HZ


class Reason(enum.Enum):
    """Why the own delay of a turn is not known."""

    NO_REPLY = "no reply"
    """It ended without a packet of a reply."""
    INTERRUPTED = "interrupted"
    """Its reply was interrupted or cancelled, though its listener said nothing."""
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


def packet_before(sample: int) -> int:
    """Number of the packet with the sample before `sample`, on the session's audio clock, where none was lost."""
    return (sample - 1) // _CLOCK_SAMPLES


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
    refused: int = 0
    """Sessions that the gateway had no room for, or no longer."""
    late_ms: list[float] = field(default_factory=list)
    """How late each packet of a reply came for a listener's buffer; 0 for those in time."""
    underruns: int = 0
    """Replies in which a listener's buffer ran dry."""
    send_late_ms: list[float] = field(default_factory=list)
    """How much later than its time each packet of a microphone was sent: the fault of the bench itself."""
    sent: int = 0
    """WebSocket messages of the listeners."""
    received: int = 0
    """WebSocket messages to them."""
    packets: int = 0
    """Packets of the microphones that were sent; those that were not were silent."""
    interruptions: int = 0
    """Replies that a listener spoke into."""
    duck_ms: list[float] = field(default_factory=list)
    """From the packet with the first sample of a voice over a reply to the event that ducks the reply."""
    own_duck_ms: list[float] = field(default_factory=list)
    """From the packet that completed what the duck needed to the same event, where the server says which that was."""
    stop_ms: list[float] = field(default_factory=list)
    """From the packet with the voice's first sample to the last packet of the reply that was interrupted."""

    @property
    def turns_ms(self) -> list[float]:
        """From the end of speech to the first packet of the reply, of each measured turn."""
        return [silence + delay for silence, delay in zip(self.silences_ms, self.delays_ms, strict=True)]

    @property
    def turns(self) -> int:
        """All turns, measured or not."""
        return len(self.delays_ms) + self.unmeasured.total()

    def forget(self) -> None:
        """What was seen until now does not count, but for errors and refusals; who shares the tally goes on with it."""
        nothing = Tally(errors=self.errors, refused=self.refused)
        for each in fields(self):
            setattr(self, each.name, getattr(nothing, each.name))


def joined(tallies: Iterable[Tally]) -> Tally:
    """What the listeners of several processes have seen."""
    whole = Tally()
    for each in tallies:
        whole.delays_ms += each.delays_ms
        whole.silences_ms += each.silences_ms
        whole.unmeasured += each.unmeasured
        whole.errors += each.errors
        whole.refused += each.refused
        whole.late_ms += each.late_ms
        whole.underruns += each.underruns
        whole.send_late_ms += each.send_late_ms
        whole.sent += each.sent
        whole.received += each.received
        whole.packets += each.packets
        whole.interruptions += each.interruptions
        whole.duck_ms += each.duck_ms
        whole.own_duck_ms += each.own_duck_ms
        whole.stop_ms += each.stop_ms
    return whole


@dataclass(slots=True)
class _Turn:
    """Something that was said, and has not been reported on."""

    first_sample: int
    fell_silent: int
    failed: bool = False
    interrupted: bool = False


class Ledger:
    """The turns of one session, one after the other; the next may begin while the reply to the last is heard."""

    def __init__(self, tally: Tally) -> None:
        """Begin before the first packet; `tally` takes what is found."""
        self._tally = tally
        self._captured = 0
        self._sent_at: list[float] = []
        self._turns: list[_Turn] = []
        self._arrivals: dict[int, float] = {}

    @property
    def packets(self) -> int:
        """Packets that the microphone has captured: the number of the next one."""
        return self._captured

    @property
    def open(self) -> bool:
        """True while a turn waits to be accounted for."""
        return bool(self._turns)

    def begin(self, end_sample: int) -> None:
        """Something will be said from the next packet on, up to `end_sample` (48 kHz, counted from there).

        A turn that is open is interrupted by it.
        """
        for turn in self._turns:
            turn.interrupted = True
        first = self.packets * _CLOCK_SAMPLES
        self._turns.append(_Turn(first, first + end_sample // _MICROPHONE_SAMPLES))

    def captured(self) -> None:
        """The microphone has a packet, which may be held back or left out because it is silent."""
        self._captured += 1

    def sent(self, packet: int, at: float) -> None:
        """Packet `packet` is about to be sent, and tells how many before it were left out."""
        self._sent_at.extend([at] * (packet + 1 - len(self._sent_at)))

    def sent_at(self, packet: int) -> float | None:
        """When the gateway was told of packet `packet`; None: it was not yet."""
        return self._sent_at[packet] if packet < len(self._sent_at) else None

    def arrived(self, reply: int, at: float) -> None:
        """A packet of a reply has come."""
        self._arrivals.setdefault(reply, at)

    def failed(self, error: ErrorEvent) -> None:
        """Something went wrong; the turn may be answered all the same."""
        for turn in self._turns:
            turn.failed = True
        self._tally.errors[f"{error.hop}: {error.message}" if error.hop else error.message] += 1

    def discarded(self) -> None:
        """What was said is taken for noise; before the end of speech that may be only a part of it."""
        if self._turns and self.packets * _CLOCK_SAMPLES > self._turns[-1].fell_silent:
            self._close(self._turns[-1], Reason.DISCARDED)

    def reported(self, report: TurnReport) -> None:
        """A turn is over."""
        turn = self._turn_of(report.decided_sample)
        if turn is None:
            self._tally.unmeasured[Reason.UNMATCHED] += 1
            return
        arrival = self._arrivals.get(report.reply)
        broken_off = report.outcome in (Outcome.INTERRUPTED, Outcome.CANCELLED)
        if broken_off and not turn.interrupted:
            self._close(turn, Reason.INTERRUPTED)
        elif arrival is None or not (broken_off or report.outcome is Outcome.COMPLETED):
            self._close(turn, Reason.ERROR if turn.failed else Reason.NO_REPLY)
        else:
            self._measure(turn, report.decided_sample, arrival)

    def give_up(self, reason: Reason) -> None:
        """Nothing more is waited for; a turn in which an error was told counts as that."""
        for turn in tuple(self._turns):
            self._close(turn, Reason.ERROR if turn.failed and reason is Reason.TIMED_OUT else reason)

    def _turn_of(self, decided_sample: int | None) -> _Turn | None:
        """The last of the open turns that had begun; the oldest where nobody knows."""
        begun = [turn for turn in self._turns if decided_sample is not None and turn.first_sample < decided_sample]
        return begun[-1] if begun else self._turns[0] if self._turns and decided_sample is None else None

    def _measure(self, turn: _Turn, decided_sample: int | None, arrival: float) -> None:
        if decided_sample is None or not turn.fell_silent < decided_sample <= self.packets * _CLOCK_SAMPLES:
            self._close(turn, Reason.UNMATCHED)
            return
        sent = self.sent_at(packet_before(decided_sample))
        if sent is None or arrival < sent:
            self._close(turn, Reason.UNMATCHED)
            return
        self._turns.remove(turn)
        self._tally.delays_ms.append((arrival - sent) * 1000)
        self._tally.silences_ms.append((decided_sample - turn.fell_silent) * 1000 / LISTENING_RATE_HZ)

    def _close(self, turn: _Turn, reason: Reason) -> None:
        self._turns.remove(turn)
        self._tally.unmeasured[reason] += 1
