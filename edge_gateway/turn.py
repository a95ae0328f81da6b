"""One turn, from the first voiced sample to the last word heard: number, trace, times, words, reply and end."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from edge_gateway.latency.timeline import ReplyTimes, TurnTimeline
from parley.conversation import Outcome
from serving.telemetry import SpanIdentity, clock_ns

if TYPE_CHECKING:
    from opentelemetry.trace import SpanContext

    from edge_gateway.reply.reminders import Scheduled
    from edge_gateway.reply.reply import Reply
    from parley.errors import ParleyError

GREETING = 0
"""Number of a turn in which nobody has asked."""

# A server that is away for long fails again and again.
_MOST_FAILURES: Final = 8


class TurnKind(enum.StrEnum):
    """How a turn begins."""

    SPOKEN = "spoken"
    TYPED = "typed"
    GREETING = "greeting"
    REMINDER = "reminder"


@dataclass(frozen=True, slots=True)
class LostWay:
    """The way to the ASR server failed while a turn was being said."""

    error: ParleyError
    """Why."""
    unix_ns: int
    """When."""


@dataclass(slots=True, eq=False)
class Turn:
    """What the user says until they are done, and the reply to it."""

    number: int
    """From 1; `GREETING`: the assistant speaks unasked."""
    kind: TurnKind = TurnKind.SPOKEN
    """How it begins."""
    text: str = ""
    """What the user said; empty: not known yet, or nothing."""
    identity: SpanIdentity = field(default_factory=SpanIdentity.new)
    """The trace, and its root span; made ahead, so that the servers' spans have a parent."""
    timeline: TurnTimeline = field(default_factory=TurnTimeline)
    """Where the time went."""
    reply: Reply | None = None
    """The reply that is being made, or was."""
    outcome: Outcome = Outcome.UNSPECIFIED
    """How it ended; it ends once."""
    caller: SpanContext | None = None
    """Span of whoever opened the session."""
    head_start_dropped: bool = False
    """A speculative reply to it was dropped unheard."""
    lost_ways: list[LostWay] = field(default_factory=list)
    """What kept it from being heard, if only for a while."""
    actions: list[str] = field(default_factory=list)
    """What its reply has changed or begun in the session, as in `parley_session_actions_total`."""
    reminder: Scheduled | None = None
    """What its reply reminds of, where nobody has asked."""

    @classmethod
    def reminding(cls, number: int, reminder: Scheduled) -> Turn:
        """A turn that begins with a reminder's being due: nobody has spoken, so nobody waits for a reply."""
        turn = cls(number, TurnKind.REMINDER, reminder=reminder)
        turn.timeline.utterance.began_ns = clock_ns()
        return turn

    @classmethod
    def written(cls, number: int, text: str = "") -> Turn:
        """A turn that begins with a text: typed by the user, or the assistant's greeting."""
        kind = TurnKind.TYPED if number != GREETING else TurnKind.GREETING
        turn = cls(number, kind, text if kind is TurnKind.TYPED else "")
        said = turn.timeline.utterance
        said.began_ns = said.speech_end_ns = clock_ns()
        return turn

    @property
    def typed(self) -> bool:
        """True when the words were typed."""
        return self.kind is TurnKind.TYPED

    @property
    def began(self) -> bool:
        """True once the user was heard, or has typed."""
        return self.timeline.utterance.began_ns > 0

    def answer(self, reply: Reply) -> None:
        """Let `reply` be the turn's."""
        self.reply = reply
        self.timeline.reply = reply.times

    def unanswer(self) -> None:
        """Forget a speculative reply of which nobody knew."""
        self.head_start_dropped = True
        self.reply = None
        self.timeline.reply = ReplyTimes()

    def lost_way(self, error: ParleyError) -> None:
        """Note that the way to the ASR server has failed."""
        self.lost_ways = [*self.lost_ways[-_MOST_FAILURES:], LostWay(error, clock_ns())]

    @property
    def has_trace(self) -> bool:
        """True when there is something to be seen in its trace, though it may come to nothing."""
        return self.began or self.head_start_dropped or bool(self.lost_ways)

    def end(self, outcome: Outcome) -> None:
        """Note how it ended.

        Raises:
            RuntimeError: it has ended before; that would count a turn twice.
        """
        if self.outcome is not Outcome.UNSPECIFIED:
            raise RuntimeError(f"turn {self.number} ended as {self.outcome.name}, and again as {outcome.name}")
        self.outcome = outcome
