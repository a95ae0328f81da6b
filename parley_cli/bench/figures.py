"""The figures of a bench, and a verdict on each that has a budget. Knows nothing of how they were found."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Final

_FEW_TURNS: Final = 100
_CLIENT_LATE_MS: Final = 5.0
_MANY_SESSIONS: Final = 100
# 160 sessions on one core.
_CORE_SECONDS: Final = 60 / 160


def rounded(value: float, digits: int) -> float | None:
    """The value for people; None for NaN."""
    return None if math.isnan(value) else round(value, digits)


@dataclass(frozen=True, slots=True)
class Result:
    """The figures of one run; None: not known."""

    sessions: int
    """Listeners at once, with those that were refused."""
    refused: int
    """Those that the gateway had no room for, or no longer."""
    seconds: float
    """How long they talked."""
    turns: int
    """All turns: those measured, and those not."""
    measured: int
    """Turns whose own delay is known."""
    unmeasured: dict[str, int]
    """The others, by the reason."""
    errors: int
    """Error events."""
    error_messages: dict[str, int]
    """What they said, and how often."""
    ready_per_second: float | None
    """Sessions made ready a second, all opened at once; None: they came one after the other."""
    own_delay_p50_ms: float | None
    """What Parley added to the silence, median."""
    own_delay_p99_ms: float | None
    """The same, 99th percentile."""
    own_delay_least_ms: float | None
    """The same, of the quickest turn: what a busy machine has not disturbed."""
    turn_p50_ms: float | None
    """From the end of speech to the first packet of the reply: the silence and the own delay, median."""
    turn_p95_ms: float | None
    """The same, 95th percentile."""
    silence_asked_ms: int
    """The silence that was to end every turn."""
    silence_p50_ms: float | None
    """The silence that did, in milliseconds of audio, median."""
    silence_p99_ms: float | None
    """The same, 99th percentile."""
    late_p99_ms: float | None
    """How late reply packets were, 99th percentile."""
    late_packets: int
    """Reply packets that came after their time."""
    underruns: int
    """Replies in which a buffer ran dry."""
    interruptions: int
    """Replies that were spoken into."""
    duck_p50_ms: float | None
    """From the packet with the first sample of a voice over a reply to the event that ducks it, median."""
    duck_p99_ms: float | None
    """The same, 99th percentile."""
    own_duck_p50_ms: float | None
    """From the packet that completed what the duck needed to the same event, median; None: the server does not say."""
    own_duck_p99_ms: float | None
    """The same, 99th percentile."""
    stop_p50_ms: float | None
    """From the packet with the voice's first sample to the last packet of the reply, median."""
    stop_p99_ms: float | None
    """The same, 99th percentile."""
    cpu_percent: float | None
    """Processor time of the four processes, as a share of one core."""
    cpu_per_session_minute: float | None
    """Processor seconds for one minute of one session."""
    up_per_session_second: float
    """WebSocket messages from a listener."""
    down_per_session_second: float
    """WebSocket messages to a listener."""
    left_out_percent: float | None
    """Share of the microphones' packets that were silent and left out, as by the page; None: every one was sent."""
    idle_kb: float | None
    """Memory that another session took before it spoke, when one had been had."""
    talking_kb: float | None
    """Memory that another session took in the end, when one had been had."""
    processes: dict[str, dict[str, float | None]]
    """Of each process: processor time, context switches, memory, and how late its event loop came to timers."""
    client_cpu_percent: float
    """Processor time of the bench itself, as a share of one core."""
    client_late_p99_ms: float | None
    """How much later than its time the bench sent a packet, 99th percentile."""
    usage_missing: str
    """The page that did not say what a process used; empty: all did."""

    def as_object(self) -> dict[str, object]:
        """The figures and verdicts as JSON has them."""
        judged = {budget.name: budget.verdict for budget in budgets(self) if budget.verdict}
        return {**asdict(self), "verdicts": judged}


@dataclass(frozen=True, slots=True)
class Budget:
    """What a figure may be, and what it is."""

    name: str
    """What is measured."""
    figure: float | None
    """What was found; None: not known."""
    unit: str
    """Its unit."""
    most: float | None = None
    """The most that it may be; None: there is no budget for such a load."""
    least: float | None = None
    """The least that it may be; None: as above."""
    sessions: int = 0
    """Sessions at which that is to hold, where fewer were held; 0: at those that were."""

    @property
    def verdict(self) -> str:
        """One of met, missed, not known, "met so far" (fewer sessions than the budget is for), or nothing."""
        if self.most is None and self.least is None:
            return ""
        if self.figure is None:
            return "not known"
        if (self.most is not None and self.figure > self.most) or (self.least is not None and self.figure < self.least):
            return "missed"
        return "met so far" if self.sessions else "met"

    @property
    def text(self) -> str:
        """The budget in words; empty when there is none."""
        where = f", at {self.sessions} sessions" if self.sessions else ""
        if self.most is not None:
            return f"{self.most:g}{self.unit} at most{where}"
        return "" if self.least is None else f"{self.least:g}{self.unit} or more{where}"


def budgets(result: Result) -> tuple[Budget, ...]:
    """Every figure that has a budget at some load."""
    if result.sessions == 1:
        p50, p99, load = 4.0, 8.0, 0
    elif result.sessions <= _MANY_SESSIONS:
        p50, p99, load = 6.0, 25.0, _MANY_SESSIONS if result.sessions < _MANY_SESSIONS else 0
    else:
        p50, p99, load = None, 100.0, 0
    storm = 1000.0 if result.sessions >= _MANY_SESSIONS else None
    return (
        Budget("own delay p50", result.own_delay_p50_ms, " ms", p50, sessions=load),
        Budget("own delay p99", result.own_delay_p99_ms, " ms", p99, sessions=load),
        Budget("reply packets late p99", result.late_p99_ms, " ms", 40),
        Budget("sessions ready a second", result.ready_per_second, "", least=storm),
        Budget("CPU per session-minute", result.cpu_per_session_minute, " s", _CORE_SECONDS),
        Budget("memory per idle session", result.idle_kb, " KB", 60),
        Budget("memory per talking session", result.talking_kb, " KB", 300),
    )


def table(result: Result) -> str:
    """The figures with their budgets, for people."""
    rows = [
        ("sessions", f"{result.sessions}", f"for {result.seconds:.0f} s", ""),
        *((("  refused", f"{result.refused}", "the gateway has no room for them", ""),) if result.refused else ()),
        ("turns measured", f"{result.measured}", f"of {result.turns}", ""),
        *((f"  not measured: {reason}", f"{count}", "", "") for reason, count in result.unmeasured.items()),
        ("silence before a decision", _shown(result.silence_p50_ms, " ms"), _silence(result), ""),
        *((each.name, _shown(each.figure, each.unit), each.text, each.verdict) for each in budgets(result)),
        (
            "end of speech to reply p50",
            _shown(result.turn_p50_ms, " ms"),
            f"p95 {_shown(result.turn_p95_ms, ' ms')}",
            "",
        ),
        ("reply packets late", f"{result.late_packets}", f"replies that ran dry: {result.underruns}", ""),
        *_interruptions(result),
        *_use(result),
        ("errors", f"{result.errors}", "", ""),
        ("the bench's own CPU", f"{result.client_cpu_percent:.0f} %", "of one core", ""),
        ("the bench's packets late p99", _shown(result.client_late_p99_ms, " ms"), "its own fault", ""),
    ]
    lines = [f"{name:<30}{figure:>12}   {budget:<36}{verdict}".rstrip() for name, figure, budget, verdict in rows]
    notes = [f"{count} times: {message}" for message, count in result.error_messages.items()]
    if 0 < result.measured < _FEW_TURNS:
        notes.append(f"The p99 of {result.measured} turns is the slowest of them; --seconds gives more.")
    if result.client_late_p99_ms is not None and result.client_late_p99_ms > _CLIENT_LATE_MS:
        notes.append(
            "The bench could not keep time itself: the figures are those of a busy machine, not of Parley alone."
        )
    if result.usage_missing:
        notes.append(f"CPU and memory are not known: {result.usage_missing} does not tell them.")
    return "\n".join([f"{'':<30}{'measured':>12}   {'budget':<36}verdict", *lines, *notes])


def _interruptions(result: Result) -> tuple[tuple[str, str, str, str], ...]:
    if not result.interruptions:
        return ()
    own_p99 = f"p99 {_shown(result.own_duck_p99_ms, ' ms')}"
    return (
        ("voice to duck p50", _shown(result.duck_p50_ms, " ms"), f"p99 {_shown(result.duck_p99_ms, ' ms')}", ""),
        ("own delay of a duck p50", _shown(result.own_duck_p50_ms, " ms"), own_p99, ""),
        ("voice to last packet p50", _shown(result.stop_p50_ms, " ms"), f"p99 {_shown(result.stop_p99_ms, ' ms')}", ""),
    )


def _use(result: Result) -> tuple[tuple[str, str, str, str], ...]:
    down = f"down {result.down_per_session_second:.1f}, a session"
    return (
        ("one core", _shown(result.cpu_percent, " %"), "", ""),
        *(
            (f"  {name}", _shown(each["cpu_percent"], " %"), _of_process(each), "")
            for name, each in result.processes.items()
        ),
        ("WebSocket messages up a second", f"{result.up_per_session_second:.1f}", down, ""),
        *_left_out(result),
    )


def _left_out(result: Result) -> tuple[tuple[str, str, str, str], ...]:
    share = result.left_out_percent
    return () if share is None else (("silent packets left out", f"{share:.1f} %", "as the page does it", ""),)


def _of_process(used: dict[str, float | None]) -> str:
    told = [f"{used['switches_per_session_second'] or 0:.0f} switches/s", f"{used['talking_kb'] or 0:.0f} KB a session"]
    if used["lag_p50_ms"] is not None:
        told.insert(0, f"loop late p50 {used['lag_p50_ms']:.1f}, p99 {used['lag_p99_ms']:.1f} ms")
    if used["messages_per_session_second"]:
        told.append(f"{used['messages_per_session_second']:.1f} messages/s")
    return "; ".join(told)


def _silence(result: Result) -> str:
    return f"{result.silence_asked_ms} ms asked; p99 {_shown(result.silence_p99_ms, ' ms')}"


def _shown(value: float | None, unit: str) -> str:
    return "-" if value is None else f"{value:.3g}{unit}" if abs(value) < 1 else f"{value:.1f}{unit}"
