"""Records a turn as a trace: the root, and the spans of the client and the gateway. The servers record their own.

Never the words of a user.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from edge_gateway.latency.timeline import TurnTimeline, explained, slices
from serving.telemetry import SpanEvent, SpanIdentity, Telemetry

if TYPE_CHECKING:
    from opentelemetry.util.types import AttributeValue

    from edge_gateway.latency.client_clock import ClientClock
    from edge_gateway.turn import Turn

_OWN_SPANS: Final = ("client.", "gateway.", "asr.endpoint")
"""The servers record the others themselves, and the ASR server's own `asr.endpoint` begins only when the sound reaches
it: what waited for others to share a message is in the gateway's alone."""


def record_turn(
    telemetry: Telemetry, session_id: str, turn: Turn, clock: ClientClock, previous: SpanIdentity | None
) -> None:
    """Record the root of a turn's trace, linked to the turn before, and the spans that the gateway has to tell of."""
    timeline, model = turn.timeline, turn.reply.model if turn.reply is not None else ""
    start, end = timeline.begins_ns, timeline.ends_ns or timeline.reply.text_end_ns
    attributes: dict[str, AttributeValue] = {
        "session.id": session_id,
        "parley.turn": turn.number,
        "parley.outcome": turn.outcome.name.lower(),
        "parley.head_start": timeline.reply.head_start,
        "parley.explained": explained(timeline),
        **({"gen_ai.response.model": model} if model else {}),
        **_endpointing(timeline),
    }
    telemetry.record_root(
        "parley.turn",
        identity=turn.identity,
        start_ns=start,
        end_ns=max(start, end),
        attributes=attributes,
        previous=previous,
    )
    events = {
        "gateway.encode": (SpanEvent("first_audio", timeline.reply.first_audio_ns),),
        "gateway.decide": (SpanEvent("first_token", timeline.reply.first_token_ns),),
    }
    for each in slices(timeline):
        if not each.name.startswith(_OWN_SPANS):
            continue
        client = {"parley.clock_uncertainty_ms": clock.uncertainty_us / 1000} if each.name.startswith("client.") else {}
        telemetry.record(
            each.name,
            parent=turn.identity.traceparent,
            start_ns=each.start_ns,
            end_ns=each.end_ns,
            attributes=client,
            events=tuple(event for event in events.get(each.name, ()) if event.unix_ns),
        )


def _endpointing(timeline: TurnTimeline) -> dict[str, AttributeValue]:
    """How well the end of the turn was found."""
    return {
        "parley.endpointing.waited_ms": timeline.utterance.waited_ms,
        "parley.endpointing.beyond_need_ms": timeline.utterance.excess_wait_ms,
        "parley.endpointing.too_early": timeline.utterance.premature_end,
    }
