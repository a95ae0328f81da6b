"""What was found, as a table, and beside it the goals that Parley has set itself. Runs nothing."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from benchmarks.peers.sides import FLOOR, PARLEY, PARLEY_PCM, PARLEY_UNTRACED, PIPECAT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.peers.sides import Side

    _Finder = Callable[["Found"], float | None]

_P50, _P99, _CPU = "own_delay_p50_ms", "own_delay_p99_ms", "cpu_per_session_minute"
_COLUMNS: Final = (
    ("own p50 ms", _P50, 1),
    ("own p99 ms", _P99, 1),
    ("late", "late_packets", 0),
    ("CPU s/min", _CPU, 3),
    ("core %", "cpu_percent", 1),
    ("idle KB", "idle_kb", 0),
    ("talking KB", "talking_kb", 0),
    ("ready/s", "ready_per_second", 0),
    ("left out %", "left_out_percent", 1),
    ("turns", "turns", 0),
    ("lost", "lost", 0),
    ("bench late ms", "client_late_p99_ms", 1),
)
_LEFT_OUT: Final = (
    "packets of the microphones that were silent and not sent, as Parley's page does it; with PCM all were sent"
)


@dataclass(slots=True)
class Found:
    """The figures of all runs."""

    runs: dict[tuple[str, int], list[dict[str, Any] | None]] = field(default_factory=dict)
    """By side and number of sessions, one for each round; None: the run failed."""
    limits: dict[tuple[str, float], tuple[int, bool]] = field(default_factory=dict)
    """Sessions that kept the line, by side and the share that was silent; and whether the bench was the limit."""

    def add(self, side: Side, sessions: int, figures: dict[str, Any] | None) -> None:
        """Keep a run."""
        if figures is not None:
            figures = {**figures, "lost": figures["turns"] - figures["measured"]}
        self.runs.setdefault((side.name, sessions), []).append(figures)

    def as_object(self) -> dict[str, object]:
        """All of it, as JSON has it."""
        runs = [{"side": side, "sessions": number, "runs": each} for (side, number), each in self.runs.items()]
        ends = [{"side": side, "silent": silent, "sessions": each[0]} for (side, silent), each in self.limits.items()]
        return {"runs": runs, "limits": ends}

    def median(self, side: Side, sessions: int, name: str) -> float | None:
        """Of a figure, over the rounds; None: not known."""
        known = [each[name] for each in self.runs.get((side.name, sessions), []) if each and each[name] is not None]
        return statistics.median(known) if known else None

    def ratio(self, a: tuple[Side, int], b: tuple[Side, int], name: str) -> float | None:
        """Of a figure, `a` over `b`, the median of what each round has; None: not known."""
        ours, theirs = (self.runs.get((side.name, sessions), []) for side, sessions in (a, b))
        pairs = [(x[name], y[name]) for x, y in zip(ours, theirs, strict=False) if x and y and x[name] and y[name]]
        return statistics.median(x / y for x, y in pairs) if pairs else None


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure and what it may be."""

    number: str
    """As the project counts its goals."""
    what: str
    """In words."""
    figure: _Finder
    """Finds it; None: not known."""
    most: float | None = None
    """The most that it may be."""
    least: float | None = None
    """The least that it may be."""


def _median(side: Side, sessions: int, name: str) -> _Finder:
    return lambda found: found.median(side, sessions, name)


def _ratio(a: tuple[Side, int], b: tuple[Side, int], name: str) -> _Finder:
    return lambda found: found.ratio(a, b, name)


def _limit(side: Side, silent: float) -> _Finder:
    return lambda found: found.limits[(side.name, silent)][0] if (side.name, silent) in found.limits else None


def _multiple(found: Found) -> float | None:
    ours, theirs = _limit(PARLEY, 0.0)(found), _limit(PIPECAT, 0.0)(found)
    return ours / theirs if ours and theirs else None


_PCM_20: Final = ((PARLEY_PCM, 20), (PIPECAT, 20))
_WHOLE: Final = ((PARLEY, 20), (PIPECAT, 20))
_TRACED: Final = ((PARLEY, 20), (PARLEY_UNTRACED, 20))
_ALONE: Final = ((PARLEY_PCM, 1), (PIPECAT, 1))
GOALS: Final = (
    Goal("P1", "own delay p50, 1 session, PCM, ms", _median(PARLEY_PCM, 1, _P50), most=5.0),
    Goal("P1", "the same, times Pipecat's", _ratio(*_ALONE, _P50), most=1.0),
    Goal("P2", "own delay p50, 20 sessions, PCM, times Pipecat's", _ratio(*_PCM_20, _P50), most=0.3),
    Goal("P2", "own delay p99, 20 sessions, PCM, times Pipecat's", _ratio(*_PCM_20, _P99), most=0.15),
    Goal("P2", "own delay p50, 40 sessions, PCM, ms", _median(PARLEY_PCM, 40, _P50), most=10.0),
    Goal("P2", "own delay p99, 40 sessions, PCM, ms", _median(PARLEY_PCM, 40, _P99), most=40.0),
    Goal("P3", "CPU, 20 sessions, Opus, traced, times Pipecat's", _ratio(*_WHOLE, _CPU), most=0.35),
    Goal("", "CPU, 20 sessions, PCM, times Pipecat's", _ratio(*_PCM_20, _CPU)),
    Goal("", "CPU, 20 sessions, PCM, times that of aiohttp alone", _ratio((PARLEY_PCM, 20), (FLOOR, 20), _CPU)),
    Goal("P4", "most sessions that keep the line, all talking", _limit(PARLEY, 0.0), least=100),
    Goal("P4", "most sessions that keep the line, half of them silent", _limit(PARLEY, 0.5), least=200),
    Goal("P4", "all talking, times Pipecat's", _multiple),
    Goal("P9", "CPU a session, 100 sessions, times that at 20", _ratio((PARLEY, 100), (PARLEY, 20), _CPU), most=1.1),
    Goal("P10", "CPU, 20 sessions, traced, times untraced", _ratio(*_TRACED, _CPU), most=1.02),
)


def table(found: Found) -> str:
    """The medians of all runs, the limits, and the goals."""
    return "\n".join([*_runs(found), *_limits(found), *_goals(found)])


def _runs(found: Found) -> Iterator[str]:
    yield f"{'sessions':>8}  {'':<22}" + "".join(f"{title:>14}" for title, _, _ in _COLUMNS)
    for name, sessions in sorted(found.runs, key=lambda key: key[1]):
        known = [each for each in found.runs[(name, sessions)] if each]
        values = [[each[key] for each in known if each[key] is not None] for _, key, _ in _COLUMNS]
        cells = (
            f"{statistics.median(each):>14.{digits}f}" if each else f"{'-':>14}"
            for each, (_, _, digits) in zip(values, _COLUMNS, strict=True)
        )
        yield f"{sessions:>8}  {name:<22}" + "".join(cells)
    yield f"left out: {_LEFT_OUT}"


def _limits(found: Found) -> Iterator[str]:
    for (name, silent), (sessions, hidden) in found.limits.items():
        more = " or more: beyond, the bench itself could not keep time" if hidden else ""
        yield (
            f"{name}, {silent:.0%} silent: p99 of 100 ms at most, and no late packet, in one of two tries, up to "
            f"{sessions} sessions{more}"
        )


def _goals(found: Found) -> Iterator[str]:
    yield f"\n{'':<4}  {'':<62}{'measured':>10}   goal"
    for goal in GOALS:
        figure = goal.figure(found)
        shown = "-" if figure is None else f"{figure:.3g}"
        yield f"{goal.number:<4}  {goal.what:<62}{shown:>10}   {_verdict(goal, figure)}".rstrip()


def _verdict(goal: Goal, figure: float | None) -> str:
    if goal.most is not None:
        bound, kept = f"{goal.most:g} at most", figure is not None and figure <= goal.most
    elif goal.least is not None:
        bound, kept = f"{goal.least:g} or more", figure is not None and figure >= goal.least
    else:
        return ""
    return f"{bound:<14}{'not known' if figure is None else 'met' if kept else 'missed'}"
