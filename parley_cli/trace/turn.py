"""A turn, or another trace, as it is shown: its spans, and what is known of it as a whole. Of either source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from parley.waterfall import ROOT, Span, Step, advice, critical_path, explained, of_slices, root_of, self_ms
from parley_cli.trace.fields import FAILED, mapping, mappings, number, text, whole

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_WORDS: Final = "parley.pii."


@dataclass(frozen=True, slots=True)
class Turn:
    """What is known of a turn."""

    trace_id: str
    """32 hexadecimal digits."""
    spans: tuple[Span, ...]
    """In milliseconds from the begin of their root, which is one of them."""
    turn: int | None = None
    """Its number in its session; None: not known."""
    session: str = ""
    """Name of the session."""
    kind: str = ""
    """spoken, typed, greeting or reminder."""
    outcome: str = ""
    """How it ended."""
    failed_hop: str = ""
    """The server that failed."""
    total_ms: float | None = None
    """From the end of the user's speech, or the text, to the first audible sample; None: nothing was to be heard."""
    head_start: str = ""
    """Whether a reply was begun before the end of the turn was certain: used, dropped, or empty."""
    model: str = ""
    """Who wrote the reply."""
    is_recorded: bool = True
    """A trace of it was recorded."""
    ended_unix_ms: int = 0
    """When it was over; 0: not known."""

    @property
    def root(self) -> Span | None:
        """The span of the whole."""
        return root_of(self.spans)

    def advice(self, path: Sequence[Step]) -> str:
        """One sentence on what to look at first: what failed, where nothing was heard, else what was waited for."""
        failed = [span for span in self.spans if span.error and span.name != ROOT]
        if self.total_ms is None and failed:
            last = max(failed, key=lambda span: span.start_ms)
            return f"Look first at {last.name}, which failed" + (f": {last.error}" if last.error != FAILED else ".")
        if self.total_ms is None and self.failed_hop:
            return f"Look first at what the {self.failed_hop.upper()} server logged, since it failed."
        return advice(path)

    def to_json(self) -> dict[str, object]:
        """All of it, and what follows from it, without anybody's words."""
        path = critical_path(self.spans)
        return {
            "trace_id": self.trace_id,
            "session": self.session,
            "turn": self.turn,
            "kind": self.kind,
            "outcome": self.outcome,
            "failed_hop": self.failed_hop,
            "mic_to_speaker_ms": self.total_ms,
            "head_start": self.head_start,
            "model": self.model,
            "spans": [_described(span, own) for span, own in zip(self.spans, self_ms(self.spans), strict=True)],
            "critical_path": [
                {"name": step.name, "start_ms": step.start_ms, "duration_ms": step.duration_ms} for step in path
            ],
            "explained": explained(path),
            "advice": self.advice(path),
        }


def of_stats(document: object) -> list[Turn]:
    """The turns in what the gateway tells at `/stats`, the newest first."""
    return [_of_stats(each) for each in mappings(mapping(document).get("turns"))]


def of_trace(trace_id: str, spans: tuple[Span, ...]) -> Turn:
    """A trace with what its root says of it."""
    root = root_of(spans)
    known = root.attributes if root is not None else {}
    number_of_turn = known.get("parley.turn")
    return Turn(
        trace_id=trace_id,
        spans=spans,
        turn=number_of_turn if isinstance(number_of_turn, int) else None,
        session=text(known.get("session.id")),
        kind=text(known.get("parley.kind")),
        outcome=text(known.get("parley.outcome")),
        failed_hop=text(known.get("parley.failed_hop")),
        total_ms=root.duration_ms if root is not None and _is_heard(spans) else None,
        head_start=_head_start(known.get("parley.head_start")),
        model=text(known.get("gen_ai.response.model")),
    )


def _of_stats(told: Mapping[str, object]) -> Turn:
    total_ms = number(told.get("mic_to_speaker_ms"))
    slices = [
        (text(each.get("name")), number(each.get("start_ms")) or 0.0, number(each.get("duration_ms")) or 0.0)
        for each in mappings(told.get("waterfall"))
    ]
    end_ms = total_ms if total_ms is not None else max((start + length for _, start, length in slices), default=0.0)
    failed_hop = text(told.get("failed_hop"))
    return Turn(
        trace_id=text(told.get("trace_id")),
        spans=_failed(of_slices(end_ms, slices), failed_hop),
        turn=whole(told.get("turn")),
        session=text(told.get("session")),
        kind=text(told.get("kind")),
        outcome=text(told.get("outcome")),
        failed_hop=failed_hop,
        total_ms=total_ms,
        head_start=_head_start(told.get("head_start")),
        model=text(told.get("model")),
        is_recorded=told.get("sampled") is not False,
        ended_unix_ms=whole(told.get("ended_unix_ms")),
    )


def _failed(spans: Sequence[Span], hop: str) -> tuple[Span, ...]:
    """The same spans, the last of the hop that failed with its error."""
    last = next((place for place in range(len(spans) - 1, 0, -1) if hop and spans[place].service == hop), None)
    if last is None:
        return tuple(spans)
    span = spans[last]
    failed = Span(span.name, span.service, span.id, span.parent, span.start_ms, span.duration_ms, error=FAILED)
    return (*spans[:last], failed, *spans[last + 1 :])


def _head_start(told: object) -> str:
    """What became of a head start, in a word; older traces say only whether the reply had one."""
    return "used" if told is True else text(told).removeprefix("none")


def _is_heard(spans: Sequence[Span]) -> bool:
    """Something of the reply was sent to be heard."""
    return any(span.name == "gateway.encode" for span in spans)


def _described(span: Span, own_ms: float) -> dict[str, object]:
    attributes = {name: value for name, value in span.attributes.items() if not name.startswith(_WORDS)}
    return {
        "name": span.name,
        "service": span.service,
        "id": span.id,
        "parent": span.parent,
        "start_ms": span.start_ms,
        "duration_ms": span.duration_ms,
        "self_ms": own_ms,
        "error": span.error,
        "attributes": attributes,
    }
