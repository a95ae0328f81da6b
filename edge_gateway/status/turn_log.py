"""The last turns of all sessions, with what is known of their times, and percentiles of them.

Never a word that anybody said. Knows nothing of who looks, and reads no clock.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from edge_gateway.turn import Turn
    from parley.conversation import TurnReport, WaterfallSlice

MOST_TURNS: Final = 200
"""How many turns are kept; the oldest goes first."""

SPOKEN: Final = "mic_to_speaker_ms"
"""Name of the percentiles of spoken turns, from the end of speech to the first audible sample."""
WRITTEN: Final = "text_to_speaker_ms"
"""Name of those of typed turns and greetings, from the text to the first audible sample."""

# A reply of many sentences has as many slices; what matters for the first sound comes first.
_MOST_SLICES: Final = 40
_PERCENTILES: Final = (50, 95, 99)
# Without speech nothing was captured, whatever lies between the typed text and its arrival.
_CAPTURE: Final = "client.capture"


@dataclass(frozen=True, slots=True, eq=False)
class LoggedTurn:
    """A turn that is over; equal to itself alone, so that what is made of it can be kept by it."""

    session: str
    """Name of the session."""
    turn: int
    """Number of the turn in it; 0: a greeting."""
    trace_id: str
    """32 hexadecimal digits."""
    sampled: bool
    """The trace was recorded."""
    ended_unix_ms: int
    """When it was over, milliseconds since the Unix epoch."""
    kind: str
    """spoken, typed, greeting or reminder."""
    outcome: str
    """How it ended, as in `parley_turns_total`."""
    failed_hop: str
    """The server that failed: asr, llm or tts; empty: none did."""
    mic_to_speaker_ms: float | None
    """From the end of the user's speech (or the typed text) to the first audible sample; None: nothing was audible."""
    head_start: bool
    """The reply began before the end of the turn was certain."""
    explained: float
    """Share of that time that the slices explain, 0 to 1."""
    clock_uncertainty_ms: float
    """Uncertainty of the client's times on the gateway's clock."""
    model: str
    """Model that wrote the reply, where there are several to take turns; empty: the one that is configured."""
    waterfall: tuple[WaterfallSlice, ...]
    """Where the time went, in the order of the start."""

    def waits_ms(self) -> dict[str, float]:
        """How much of the time to the first sound lies in each stage; nothing where there was no sound."""
        total = self.mic_to_speaker_ms
        waits: dict[str, float] = {}
        if total is None:
            return waits
        for part in self.waterfall:
            end = min(total, part.start_ms + part.duration_ms)
            if part.start_ms < total and (self.kind == "spoken" or part.name != _CAPTURE):
                waits[part.name] = waits.get(part.name, 0.0) + max(0.0, end - max(0.0, part.start_ms))
        return waits


@dataclass(frozen=True, slots=True)
class Percentiles:
    """What a share of all values do not exceed."""

    p50: float
    """Half of them."""
    p95: float
    """95 in 100."""
    p99: float
    """99 in 100."""
    count: int
    """How many values there are."""


class TurnLog:
    """The last turns of a gateway."""

    def __init__(self) -> None:
        """Nothing has been said yet."""
        self._turns: deque[LoggedTurn] = deque(maxlen=MOST_TURNS)

    def add(self, session: str, turn: Turn, report: TurnReport, ended_unix_ms: int) -> None:
        """Keep what is known of a turn that is over; the words in its report are left out."""
        failure = turn.reply.failure if turn.reply is not None else None
        self._turns.appendleft(
            LoggedTurn(
                session=session,
                turn=turn.number,
                trace_id=report.trace_id,
                sampled=turn.identity.sampled,
                ended_unix_ms=ended_unix_ms,
                kind=turn.kind.value,
                outcome=report.outcome.name.lower(),
                failed_hop=failure.hop if failure is not None else "",
                mic_to_speaker_ms=report.mic_to_speaker_ms,
                head_start=report.head_start,
                explained=report.explained,
                clock_uncertainty_ms=report.clock_uncertainty_ms,
                model=report.model,
                waterfall=report.waterfall[:_MOST_SLICES],
            )
        )

    @property
    def turns(self) -> tuple[LoggedTurn, ...]:
        """The turns, the newest first."""
        return tuple(self._turns)

    def percentiles(self) -> dict[str, Percentiles]:
        """Of the time to the first sound, spoken and written apart, and of how much of it lies in each stage."""
        return percentiles(self._turns)


def percentiles(turns: Iterable[LoggedTurn]) -> dict[str, Percentiles]:
    """The same of any turns."""
    values: dict[str, list[float]] = {}
    for turn in turns:
        total = turn.mic_to_speaker_ms
        if total is not None:
            values.setdefault(SPOKEN if turn.kind == "spoken" else WRITTEN, []).append(total)
        for name, wait_ms in turn.waits_ms().items():
            values.setdefault(name, []).append(wait_ms)
    return {name: _percentiles(each) for name, each in values.items()}


def _percentiles(values: list[float]) -> Percentiles:
    values.sort()
    half, most, nearly_all = (_at(values, share) for share in _PERCENTILES)
    return Percentiles(half, most, nearly_all, len(values))


def _at(ordered: Sequence[float], percent: float) -> float:
    """A percentile with linear interpolation between the two nearest values, as the page reckons its own."""
    place = (len(ordered) - 1) * percent / 100
    low, high = ordered[math.floor(place)], ordered[math.ceil(place)]
    return low + (high - low) * (place - math.floor(place))
