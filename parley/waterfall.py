"""The critical path of a turn: which work its listener waited for, and what to look at first.

Works on spans however they were got, and whatever is wrong with them. Knows nothing of where traces are kept.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from parley._bottlenecks import bottleneck

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

ROOT: Final = "parley.turn"
"""Name of the span that lasts from the end of the user's speech to the first audible sample."""
UNEXPLAINED: Final = "unexplained"
"""Name of the time in which nothing is known to have been done."""

# What the first sound of a reply waits for, in order: nothing waits for what stands behind it. While a reply is begun
# ahead, the decision to let it be heard is made beside it, so that one does not wait for model and voice.
_STAGES: Final = (
    "client.capture",
    "client.uplink",
    "gateway.decode",
    "asr.endpoint",
    "asr.transcribe",
    "gateway.decide",
    "llm.chat",
    "tts.synthesize",
    "gateway.encode",
    "client.downlink",
    "client.jitter_buffer",
    "client.playout",
)
_STAGE: Final = {
    **{name: place for place, name in enumerate(_STAGES)},
    # The ASR server's own view of the silence.
    "asr.end_of_turn": _STAGES.index("asr.endpoint"),
}
_LAST: Final = len(_STAGES)
# Of one clock, but written down by two processes, or as fractions of a millisecond.
_SAME_MOMENT_MS: Final = 0.5


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of work in a turn."""

    name: str
    """As in the trace."""
    service: str = ""
    """The process that did it."""
    id: str = ""
    """Its own name within the trace."""
    parent: str = ""
    """Id of the span that it is a part of; empty: none."""
    start_ms: float = 0.0
    """Where it begins, on any clock that the spans share."""
    duration_ms: float = 0.0
    """How long it took."""
    error: str = ""
    """What failed; empty: nothing."""
    attributes: Mapping[str, object] = field(default_factory=dict)
    """What else is known of it."""

    @property
    def end_ms(self) -> float:
        """Where it ends."""
        return self.start_ms + self.duration_ms


@dataclass(frozen=True, slots=True)
class Step:
    """A part of the critical path."""

    name: str
    """Of the span that was waited for, or `UNEXPLAINED`."""
    start_ms: float
    """Where it begins, on the spans' clock."""
    end_ms: float
    """Where it ends."""

    @property
    def duration_ms(self) -> float:
        """How long it was waited for."""
        return self.end_ms - self.start_ms


def of_slices(total_ms: float, slices: Iterable[tuple[str, float, float]]) -> tuple[Span, ...]:
    """Spans of a waterfall as the gateway tells it: name, start and duration, from the end of the user's speech on."""
    parts = (
        Span(name, service_of(name), str(place), ROOT, start_ms, duration_ms)
        for place, (name, start_ms, duration_ms) in enumerate(slices)
    )
    return (Span(ROOT, service_of(ROOT), ROOT, "", 0.0, total_ms), *parts)


def service_of(name: str) -> str:
    """The process that a span of this name tells of."""
    prefix = name.split(".", maxsplit=1)[0]
    return prefix if prefix in {"client", "asr", "llm", "tts"} else "gateway"


def root_of(spans: Iterable[Span]) -> Span | None:
    """The turn itself, or what comes closest: the longest span without a parent; None where there is none."""
    sound = [span for span in spans if _is_sound(span)]
    ids = {span.id for span in sound}
    turns = [span for span in sound if span.name == ROOT]
    tops = [span for span in sound if not span.parent or span.parent not in ids]
    return max(turns or tops or sound, key=lambda span: span.duration_ms, default=None)


def outline(spans: Sequence[Span]) -> tuple[tuple[int, Span], ...]:
    """Each span below the one that it is a part of, in the order of their start, with how deep it lies."""
    parents = _parents(spans)
    parts: defaultdict[int, list[Span]] = defaultdict(list)
    for span in sorted(spans, key=_begin, reverse=True):
        parts[id(parents.get(id(span)))].append(span)
    lines: list[tuple[int, Span]] = []
    waiting = [(0, span) for span in parts[id(None)]]
    while waiting:
        depth, span = waiting.pop()
        lines.append((depth, span))
        waiting += [(depth + 1, part) for part in parts[id(span)]]
    return tuple(lines)


def self_ms(spans: Sequence[Span]) -> tuple[float, ...]:
    """For each span, in their order: how much of its time is in none of its parts."""
    parts: defaultdict[str, list[Span]] = defaultdict(list)
    for span in spans:
        if _is_sound(span) and span.parent and span.parent != span.id:
            parts[span.parent].append(span)
    return tuple(
        max(0.0, span.duration_ms - _covered(parts[span.id] if span.id else (), span)) if _is_sound(span) else 0.0
        for span in spans
    )


def critical_path(spans: Iterable[Span]) -> tuple[Step, ...]:
    """What the listener waited for, from the begin of the root to its end, in order and without a gap.

    Followed backwards from the first audible sample: at each moment that span of those it waited for which finished
    last, and within it that part of it. What was done before the root began counts from there on. Time with none is
    the enclosing span's own, and in the root `UNEXPLAINED`.
    """
    known = tuple(spans)
    root = root_of(known)
    if root is None:
        return ()
    return tuple(_merged(reversed(_backwards(root, _tree(known, root)))))


def waited_ms(path: Iterable[Step]) -> dict[str, float]:
    """How long each of the names on a path was waited for, in the order in which they came."""
    waited: defaultdict[str, float] = defaultdict(float)
    for step in path:
        waited[step.name] += step.duration_ms
    return dict(waited)


def explained(path: Iterable[Step]) -> float:
    """Share of a path that is known to have been spent on something, 0 to 1."""
    waited = waited_ms(path)
    total = sum(waited.values())
    return 1 - waited.get(UNEXPLAINED, 0.0) / total if total > 0 else 0.0


def advice(path: Iterable[Step]) -> str:
    """One sentence on what to look at first, with the setting that moves it where there is one."""
    waited = waited_ms(path)
    total = sum(waited.values())
    if total <= 0:
        return "Nothing was waited for."
    name, longest = max(waited.items(), key=lambda item: item[1])
    return f"Look first at {name}, {longest:.0f} of {total:.0f} ms: {bottleneck(name)}."


@dataclass(slots=True)
class _Frame:
    """A span on the path that is followed backwards, as far as it has been."""

    span: Span
    parts: list[Span]
    """Those that may still be on the path."""
    low_ms: float
    """Where it was begun to be waited for."""
    now_ms: float
    """Up to where it has been followed."""
    stage: int = _LAST
    """The stage that has been reached; only the root has any."""


def _backwards(root: Span, tree: Mapping[int, list[Span]]) -> list[Step]:
    steps: list[Step] = []
    frames = [_frame(root, tree, root.start_ms, root.end_ms)]
    while frames:
        frame = frames[-1]
        own = UNEXPLAINED if frame.span is root else frame.span.name
        part = _waited_for(frame)
        if part is None:
            steps.append(Step(own, frame.low_ms, frame.now_ms))
            frames.pop()
            continue
        end_ms = min(part.end_ms, frame.now_ms)
        steps.append(Step(own, end_ms, frame.now_ms))
        frame.now_ms = max(part.start_ms, frame.low_ms)
        frame.stage = _stage(part, frame.stage)
        frames.append(_frame(part, tree, frame.now_ms, end_ms))
    return steps


def _frame(span: Span, tree: Mapping[int, list[Span]], low_ms: float, now_ms: float) -> _Frame:
    return _Frame(span, list(tree.get(id(span), ())), low_ms, now_ms)


def _waited_for(frame: _Frame) -> Span | None:
    """The part of a span that it waited for at a moment; parts that no earlier moment can need are forgotten."""
    frame.parts = [
        part
        for part in frame.parts
        if part.start_ms < frame.now_ms > frame.low_ms < part.end_ms and _stage(part, frame.stage) <= frame.stage
    ]

    def rank(part: Span) -> tuple[float, float]:
        # What ends just here was waited for; of what goes on beyond, as streams do, what began last.
        late_ms = part.end_ms - frame.now_ms
        if abs(late_ms) <= _SAME_MOMENT_MS:
            return 1.0, part.start_ms
        return (0.0, part.start_ms) if late_ms > 0 else (late_ms, part.start_ms)

    return max(frame.parts, key=rank, default=None)


def _stage(span: Span, otherwise: int) -> int:
    return _STAGE.get(span.name, otherwise)


def _tree(spans: Iterable[Span], root: Span) -> dict[int, list[Span]]:
    """The parts of each span, by identity: ids may be missing or doubled.

    What lost its parent, or is its own grandparent, is taken for a part of the root; what a caller of the turn does
    around it, or beside it, is not.
    """
    sound = [span for span in spans if _is_sound(span) and span is not root]
    parents = _parents([root, *sound])
    around = {id(span) for span in _way(root, parents)}
    parents.pop(id(root), None)
    tree: defaultdict[int, list[Span]] = defaultdict(list)
    for span in _that_count(sound, root):
        *_, top = _way(span, parents)
        if top is root or (top.parent and id(top) not in around):
            tree[id(parents.get(id(span), root))].append(span)
    return tree


def _parents(spans: Sequence[Span]) -> dict[int, Span]:
    """The parent of each span that has one here, except where that closed a circle; of equal ids the first counts."""
    by_id = {span.id: span for span in reversed(spans)}
    parents: dict[int, Span] = {}
    for span in spans:
        parent = by_id.get(span.parent) if span.parent else None
        if parent is not None and all(each is not span for each in _way(parent, parents)):
            parents[id(span)] = parent
    return parents


def _way(span: Span, parents: Mapping[int, Span]) -> Iterator[Span]:
    """A span, its parent, and so on to the top."""
    at: Span | None = span
    while at is not None:
        yield at
        at = parents.get(id(at))


def _that_count(spans: Sequence[Span], root: Span) -> Iterable[Span]:
    """Those that the first sound can have waited for.

    Not what a dropped head start did until it was called off, nor a sentence behind the first: sentences are numbered
    where a trace tells of them, and those of a waterfall are of one reply. Nor, beside the gateway's, the ASR server's
    view of the silence, which is by another clock.
    """
    kept = [span for span in spans if not _was_called_off(span, root)]
    places = {id(span): _place(span) for span in kept if span.name == "tts.synthesize"}
    first = min((places[id(span)] for span in kept if id(span) in places and not span.error), default=math.inf)
    doubled = {"asr.end_of_turn"} if any(span.name == "asr.endpoint" for span in kept) else set()
    return (span for span in kept if places.get(id(span), first) <= first and span.name not in doubled)


def _was_called_off(span: Span, root: Span) -> bool:
    """Nobody wanted it any more, before the first sound: of an interrupted reply that comes after it."""
    return span.attributes.get("parley.cancelled") is True and span.end_ms < root.end_ms - _SAME_MOMENT_MS


def _begin(span: Span) -> float:
    return span.start_ms if math.isfinite(span.start_ms) else math.inf


def _place(sentence: Span) -> float:
    number = sentence.attributes.get("parley.sentence")
    return number if isinstance(number, int | float) else sentence.start_ms


def _merged(steps: Iterable[Step]) -> list[Step]:
    """Steps without empty ones; neighbours of one name are one."""
    merged: list[Step] = []
    for step in steps:
        if step.end_ms <= step.start_ms:
            continue
        if merged and merged[-1].name == step.name:
            step = Step(step.name, merged.pop().start_ms, step.end_ms)  # noqa: PLW2901 - the two of them
        merged.append(step)
    return merged


def _covered(parts: Iterable[Span], whole: Span) -> float:
    covered, reached = 0.0, whole.start_ms
    for part in sorted(parts, key=lambda each: each.start_ms):
        begin, end = max(part.start_ms, reached), min(part.end_ms, whole.end_ms)
        if end > begin:
            covered += end - begin
            reached = end
    return covered


def _is_sound(span: Span) -> bool:
    """Its times are numbers, and it does not end before it begins."""
    return math.isfinite(span.start_ms) and math.isfinite(span.end_ms) and span.duration_ms >= 0
