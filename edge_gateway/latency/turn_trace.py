"""Records a turn as a trace: the root, and the spans of the client and the gateway. The servers record their own.

Where a server could not tell of its failure, the gateway records the hop that failed. Never the words of a user, unless
the operator wants them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from edge_gateway.latency.timeline import TurnTimeline, explained, slices
from parley.conversation import Outcome
from serving.telemetry import CLAMPED, SpanEvent, SpanIdentity, Telemetry, clock_ns, content

if TYPE_CHECKING:
    from opentelemetry.trace import SpanContext
    from opentelemetry.util.types import AttributeValue

    from edge_gateway.latency.client_clock import ClientClock
    from edge_gateway.reply.reply import Failure
    from edge_gateway.turn import Turn
    from parley.errors import ParleyError

_OWN_SPANS: Final = ("client.", "gateway.", "asr.endpoint")
"""The servers record the others themselves."""
_PLAYBACK: Final = ("client.downlink", "client.jitter_buffer", "client.playout")
_SPANS_OF_HOPS: Final = {"llm": "llm.chat", "tts": "tts.synthesize"}


@dataclass(frozen=True, slots=True)
class Around:
    """What a turn's trace is linked to."""

    session_id: str
    """The session that the turn is of."""
    previous: SpanIdentity | None = None
    """Root of the turn before."""
    caller: SpanContext | None = None
    """Span of whoever opened the session."""


def record_turn(telemetry: Telemetry, around: Around, turn: Turn, clock: ClientClock) -> None:
    """Record the root of a turn's trace, and the spans that the gateway has to tell of."""
    failures = turn.reply.failures if turn.reply is not None else []
    failed = failures[-1] if failures and turn.outcome is Outcome.FAILED else None
    _record_root(telemetry, around, turn, turn.outcome.name.lower(), failed)
    _record_slices(telemetry, turn, clock)
    _record_failures(telemetry, turn, failures)


def record_unanswered(
    telemetry: Telemetry, around: Around, turn: Turn, outcome: str, error: ParleyError | None
) -> None:
    """Record a turn that came to nothing, so that what servers recorded of it has a root.

    `outcome`: "discarded", "ignored", or "failed" where an `error` of the ASR server was the reason.
    """
    _record_root(telemetry, around, turn, outcome, _Asr(error) if error is not None else None)
    _record_failures(telemetry, turn, [])


@dataclass(frozen=True, slots=True)
class _Asr:
    """A failure of the ASR server."""

    error: ParleyError
    hop: str = "asr"


def _record_root(telemetry: Telemetry, around: Around, turn: Turn, outcome: str, failed: Failure | _Asr | None) -> None:
    timeline, reply = turn.timeline, turn.reply
    model = reply.model if reply is not None else ""
    lost = turn.lost_ways[0].unix_ns if turn.lost_ways else 0
    start = timeline.begins_ns or lost or clock_ns()
    end = timeline.ends_ns or timeline.reply.text_end_ns or _failed_ns(failed)
    attributes: dict[str, AttributeValue] = {
        "session.id": around.session_id,
        "parley.turn": turn.number,
        "parley.kind": turn.kind.value,
        "parley.outcome": outcome,
        "parley.head_start": _head_start(turn),
        "parley.explained": explained(timeline),
        **({"gen_ai.response.model": model} if model else {}),
        **({"parley.failed_hop": failed.hop} if failed is not None else {}),
        **({CLAMPED: True} if timeline.clamped else {}),
        **({"parley.session_actions": tuple(turn.actions)} if turn.actions else {}),
        **_endpointing(timeline),
        **content("transcript", turn.text),
        **content("reply", reply.words.text if reply is not None else ""),
    }
    links = [around.previous.context if around.previous is not None else None, around.caller]
    telemetry.record_root(
        "parley.turn",
        identity=turn.identity,
        start_ns=start,
        end_ns=max(start, end),
        attributes=attributes,
        links=[each for each in links if each is not None],
        error=failed.error if failed is not None else None,
    )


def _record_slices(telemetry: Telemetry, turn: Turn, clock: ClientClock) -> None:
    timeline, parent = turn.timeline, turn.identity.traceparent
    events = {
        "gateway.encode": (SpanEvent("first_audio", timeline.reply.first_audio_ns),),
        "gateway.decide": (SpanEvent("first_token", timeline.reply.first_token_ns),),
    }
    own = [each for each in slices(timeline) if each.name.startswith(_OWN_SPANS)]
    uncertain: dict[str, AttributeValue] = {"parley.clock_uncertainty_ms": clock.uncertainty_us / 1000}
    for each in own:
        captured = each.name == "client.capture" and timeline.utterance.clamped
        telemetry.record(
            each.name,
            parent=parent,
            start_ns=each.start_ns,
            end_ns=each.end_ns,
            attributes={
                **(uncertain if each.name.startswith("client.") else {}),
                **({CLAMPED: True} if captured else {}),
            },
            events=tuple(event for event in events.get(each.name, ()) if event.unix_ns),
        )
    if timeline.reply.clamped:
        # There was something to tell, at a time that cannot be: it is put where the reply was sent.
        at_ns = timeline.ends_ns
        for name in set(_PLAYBACK) - {each.name for each in own}:
            clamped = {**uncertain, CLAMPED: True}
            telemetry.record(name, parent=parent, start_ns=at_ns, end_ns=at_ns, attributes=clamped)


def _record_failures(telemetry: Telemetry, turn: Turn, failures: list[Failure]) -> None:
    """The hops that failed and could not tell of it themselves."""
    seen: dict[str, AttributeValue] = {"parley.observed_by": "gateway"}
    for each in turn.lost_ways:
        telemetry.record(
            "asr.transcribe",
            parent=turn.identity.traceparent,
            start_ns=each.unix_ns,
            end_ns=each.unix_ns,
            attributes=seen,
            error=each.error,
        )
    times = turn.timeline.reply
    for failure in failures:
        if failure.is_recorded:
            continue
        began_ns = times.asked_ns if failure.hop == "llm" else times.first_token_ns or times.asked_ns
        telemetry.record(
            _SPANS_OF_HOPS[failure.hop],
            parent=turn.identity.traceparent,
            start_ns=began_ns,
            end_ns=failure.unix_ns,
            attributes=seen,
            error=failure.error,
        )


def _head_start(turn: Turn) -> str:
    """Whether a reply was begun before the end of the turn was certain, and of any use."""
    times = turn.timeline.reply
    if times.head_start and times.released_ns:
        return "used"
    return "dropped" if times.head_start or turn.head_start_dropped else "none"


def _failed_ns(failed: Failure | _Asr | None) -> int:
    return failed.unix_ns if failed is not None and not isinstance(failed, _Asr) else 0


def _endpointing(timeline: TurnTimeline) -> dict[str, AttributeValue]:
    """How well the end of the turn was found."""
    return {
        "parley.endpointing.waited_ms": timeline.utterance.waited_ms,
        "parley.endpointing.beyond_need_ms": timeline.utterance.excess_wait_ms,
        "parley.endpointing.too_early": timeline.utterance.premature_end,
    }
