"""One turn, from the first voiced sample to the last word heard: number, trace, times, words, reply and end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edge_gateway.latency.timeline import ReplyTimes, TurnTimeline
from parley.conversation import Outcome
from serving.telemetry import SpanIdentity, clock_ns

if TYPE_CHECKING:
    from edge_gateway.reply.reply import Reply

GREETING = 0
"""Number of a turn in which nobody has asked."""


@dataclass(slots=True, eq=False)
class Turn:
    """What the user says until they are done, and the reply to it."""

    number: int
    """From 1; `GREETING`: the assistant speaks unasked."""
    typed: bool = False
    """The words were typed."""
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

    @classmethod
    def written(cls, number: int, text: str = "") -> Turn:
        """A turn that begins with a text: typed by the user, or the assistant's greeting."""
        turn = cls(number, typed=number != GREETING, text=text if number != GREETING else "")
        said = turn.timeline.utterance
        said.began_ns = said.speech_end_ns = clock_ns()
        return turn

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
        self.reply = None
        self.timeline.reply = ReplyTimes()

    def end(self, outcome: Outcome) -> None:
        """Note how it ended.

        Raises:
            RuntimeError: it has ended before; that would count a turn twice.
        """
        if self.outcome is not Outcome.UNSPECIFIED:
            raise RuntimeError(f"turn {self.number} ended as {self.outcome.name}, and again as {outcome.name}")
        self.outcome = outcome
