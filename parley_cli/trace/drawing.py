"""Draws a turn as a tree of spans with their bars, and turns as a table. Reads no clock, and prints nothing."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Final

from parley.waterfall import ROOT, UNEXPLAINED, critical_path, explained, outline, self_ms, waited_ms
from parley_cli.waterfall import bar

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from parley.waterfall import Span, Step
    from parley_cli.trace.turn import Turn

_WIDTH: Final = 44
_NAME_WIDTH: Final = 26
_SERVICE_WIDTH: Final = 8
_LONGEST_LINE: Final = 118
# From where the time to the first sound is counted, in turns that nobody has spoken.
_BEGINS: Final = {"typed": "the end of the text", "greeting": "the end of the text", "reminder": "its time"}
# Less is written as nothing.
_LEAST_MS: Final = 0.05


def draw(turn: Turn, block: str) -> str:
    """A turn as lines, its bars made of `block`; a span on the critical path has `*`, one that failed `!`."""
    path = critical_path(turn.spans)
    return "\n".join(
        [
            *_head(turn),
            "",
            f"    {'':<{_NAME_WIDTH}} {'':<{_SERVICE_WIDTH}} {'':{_WIDTH}}       took     self   waited for",
            *_rows(turn, path, block),
            "",
            textwrap.fill(turn.advice(path), _LONGEST_LINE, initial_indent="  ", subsequent_indent="  "),
            f"  trace {turn.trace_id}{'' if turn.is_recorded else ' (not recorded)'}, {explained(path):.0%} explained",
            "",
        ]
    )


def table(turns: Sequence[Turn]) -> str:
    """Turns as lines: how long, how they ended, which they are, what was waited for longest, and their trace."""
    lines = [f"{'ms':>8}  {'kind':<9} {'outcome':<12} {'session/turn':<18} {'waited for longest':<30} trace"]
    for turn in turns:
        total = f"{turn.total_ms:.0f}" if turn.total_ms is not None else "-"
        which = f"{turn.session[:12]}/{turn.turn if turn.turn is not None else '?'}"
        longest = _longest(turn)
        lines.append(f"{total:>8}  {turn.kind:<9} {turn.outcome:<12} {which:<18} {longest:<30} {turn.trace_id}")
    return "\n".join(lines)


def _head(turn: Turn) -> Iterator[str]:
    which = f"turn {turn.turn} of session {turn.session}" if turn.turn is not None else f"trace {turn.trace_id}"
    early = turn.head_start and f"head start {turn.head_start}"
    yield ", ".join(each for each in (which, turn.kind, turn.outcome, early, turn.model) if each)
    if turn.failed_hop:
        yield f"  the {turn.failed_hop.upper()} server failed"
    root = turn.root
    if root is None:
        yield "  no span has come of it"
    elif root.name != ROOT:
        yield f"  {root.duration_ms:.0f} ms, by {root.name}: the turn's own span has not come"
    elif turn.total_ms is None:
        yield "  no reply was heard"
    else:
        begin = _BEGINS.get(turn.kind, "the end of your speech")
        yield f"  {turn.total_ms:.0f} ms from {begin} to the first sound"


def _rows(turn: Turn, path: Sequence[Step], block: str) -> Iterator[str]:
    root, waited = turn.root, waited_ms(path)
    if root is None:
        return
    total_ms = root.duration_ms if root.duration_ms > 0 else max(span.end_ms for span in turn.spans) or 1.0
    own = {id(span): each for span, each in zip(turn.spans, self_ms(turn.spans), strict=True)}
    told: set[str] = set()
    for depth, span in outline(turn.spans):
        if span is root and root.name == ROOT:
            continue
        # Of several of one name, the first stands for what was waited for.
        waits = waited.get(span.name, 0.0) if span.name not in told else 0.0
        told.add(span.name)
        yield _row(span, depth, own[id(span)], waits, _placed(span, total_ms, block))
        if span.error:
            yield f"      {'  ' * depth}{span.error}"
    if waited.get(UNEXPLAINED, 0.0) >= _LEAST_MS:
        name = f"{'':4}{UNEXPLAINED:<{_NAME_WIDTH}} {'':<{_SERVICE_WIDTH}} {'':{_WIDTH}}"
        yield f"{name}{'':>18} {waited[UNEXPLAINED]:9.1f} ms"


def _row(span: Span, depth: int, own_ms: float, waited: float, drawn: str) -> str:
    mark = ("!" if span.error else " ") + ("*" if waited else " ")
    name = f"{'  ' * max(0, depth - 1)}{span.name}"[:_NAME_WIDTH]
    times = f"{span.duration_ms:9.1f} {own_ms:8.1f}{f'{waited:9.1f} ms' if waited else ''}"
    return f" {mark} {name:<{_NAME_WIDTH}} {span.service[:_SERVICE_WIDTH]:<{_SERVICE_WIDTH}}|{drawn}|{times}".rstrip()


def _placed(span: Span, total_ms: float, block: str) -> str:
    start, end = span.start_ms / total_ms, span.end_ms / total_ms
    if start >= 1:
        return " " * _WIDTH
    return bar(start, end, block, _WIDTH)


def _longest(turn: Turn) -> str:
    waited = waited_ms(critical_path(turn.spans))
    if not waited:
        return ""
    name, longest_ms = max(waited.items(), key=lambda item: item[1])
    return f"{name} {longest_ms:.0f} ms"
