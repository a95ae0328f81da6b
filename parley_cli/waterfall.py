"""Draws a turn for the terminal: who said what, and bars for where the time went."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from parley.conversation import TurnReport

_WIDTH: Final = 60
_NAME_WIDTH: Final = 21


def draw(report: TurnReport, block: str) -> str:
    """The turn as lines, its bars made of `block`; one that goes on after the first audible sample ends in `>`."""
    lines = [f"you       {report.transcript}", f"parley    {report.reply_text.strip()}"]
    if report.heard.strip() != report.reply_text.strip():
        lines.append(f"heard     {report.heard.strip() or '(nothing)'}")
    total = report.mic_to_speaker_ms
    if total is None or total <= 0:
        lines.append(f"          no reply was heard ({report.outcome.name.lower()})")
        return "\n".join([*lines, ""])
    early = "  (head start)" if report.head_start else ""
    lines += [f"          {total:.0f} ms from the end of your speech to the first sound{early}", ""]
    for each in report.waterfall:
        start, end = each.start_ms / total, (each.start_ms + each.duration_ms) / total
        if start >= 1:
            continue
        lines.append(f"  {each.name:<{_NAME_WIDTH}}|{bar(start, end, block)}| {each.duration_ms:7.1f} ms")
    return "\n".join([*lines, f"  trace {report.trace_id}, {report.explained:.0%} explained", ""])


def bar(start: float, end: float, block: str, width: int = _WIDTH) -> str:
    """A bar from `start` to `end`, both as shares of the whole width; one that goes on behind it ends in `>`."""
    first = max(0, min(width - 1, round(start * width)))
    last = max(first + 1, min(width, round(end * width)))
    drawn = " " * first + block * (last - first)
    if end > 1:
        drawn = drawn[:-1] + ">"
    return drawn.ljust(width)
