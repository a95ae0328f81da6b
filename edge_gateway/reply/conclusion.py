"""How a turn ends: what the history keeps of it, what the listener is told, what operators see."""

from __future__ import annotations

from typing import TYPE_CHECKING

from parley.conversation import Outcome, ReplyFinished
from serving.telemetry import span_of

if TYPE_CHECKING:
    from edge_gateway.connection import ClientConnection
    from edge_gateway.latency.client_clock import ClientClock
    from edge_gateway.latency.turn_metrics import TurnMetrics
    from edge_gateway.reply.chat_history import ChatHistory
    from edge_gateway.turn import Turn
    from parley.conversation import TurnReport
    from parley.errors import ParleyError
    from serving.telemetry import SpanIdentity


class Conclusions:
    """Ends the turns of one session."""

    def __init__(
        self,
        session_id: str,
        connection: ClientConnection,
        metrics: TurnMetrics,
        clock: ClientClock,
        history: ChatHistory,
    ) -> None:
        """Write into `history`, tell `connection` and `metrics`."""
        self._session_id = session_id
        self._connection = connection
        self._metrics = metrics
        self._clock = clock
        self._history = history
        self._caller = span_of(connection.caller)
        self._previous: SpanIdentity | None = None
        self._expected: list[Turn] = []

    def expect(self, turn: Turn) -> None:
        """The listener knows of this turn: it ends, whatever happens."""
        self._expected.append(turn)

    async def tell(self, turn: Turn, outcome: Outcome) -> None:
        """End a turn whose reply is over, and tell the listener."""
        heard, unheard = _heard(turn, outcome)
        if turn.reply is not None:
            self._history.calls(turn.reply.tools.asked)
            complete = turn.reply.text_only or outcome is Outcome.COMPLETED
            self._history.reply(heard, interrupted=not complete, unheard=unheard)
            await self._connection.send(ReplyFinished(turn.reply.brief.number, outcome, heard, unheard))
        await self._connection.send(self._record(turn, outcome, heard))

    def unanswered(self, turn: Turn, outcome: str, error: ParleyError | None = None) -> None:
        """End a turn that came to nothing, for operators: "discarded", "ignored", or "failed" with an `error`."""
        turn.caller = self._caller
        self._metrics.unanswered(self._session_id, turn, outcome, error, self._previous)
        self._previous = turn.identity

    def listener_left(self, spoken: Turn) -> None:
        """End what has not ended, for the record: nobody listens any more. `spoken` is the turn under way."""
        for turn in (*self._expected, spoken):
            if turn.began and turn.outcome is Outcome.UNSPECIFIED:
                known = turn.reply.outcome if turn.reply is not None else Outcome.UNSPECIFIED
                outcome = Outcome.LISTENER_LEFT if known is Outcome.UNSPECIFIED else known
                self._record(turn, outcome, _heard(turn, outcome)[0])
        if spoken.has_trace and not spoken.began:
            lost = spoken.lost_ways[-1].error if spoken.lost_ways else None
            self.unanswered(spoken, "failed" if lost is not None else "discarded", lost)

    def _record(self, turn: Turn, outcome: Outcome, heard: str) -> TurnReport:
        turn.end(outcome)
        self._expected = [each for each in self._expected if each is not turn]
        if turn.reply is not None:
            turn.reply.outcome = outcome
        turn.caller = self._caller
        report = self._metrics.turn(self._session_id, turn, heard, self._clock, self._previous)
        self._previous = turn.identity
        return report


def _heard(turn: Turn, outcome: Outcome) -> tuple[str, str]:
    """What was heard of a turn's reply, and what was not."""
    reply = turn.reply
    if reply is None:
        return "", ""
    if reply.text_only or outcome is Outcome.COMPLETED:
        return reply.words.text, ""
    position = reply.playout.position
    return reply.words.heard(position), reply.words.unsaid(position)
