"""Opens the sessions of a bench, lets them talk, and makes figures of what they saw."""

from __future__ import annotations

import os
import time
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from parley_cli.bench.crew import Part, Seen, crew, first_session, seen
from parley_cli.bench.figures import Result, rounded, table
from parley_cli.bench.pids import usage_of
from parley_cli.bench.usage import Usage, pages, shares, usage
from parley_cli.client import open_http
from parley_cli.percentiles import percentile
from parley_cli.terminal import to_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from parley_cli.bench.ledger import Tally

# What a listener costs is a few percent of a core; more than this, and the bench would measure itself.
_SESSIONS_A_PROCESS: Final = 25


@dataclass(frozen=True, slots=True)
class _Course:
    """What a run took."""

    open_seconds: float
    talk_seconds: float
    used: tuple[dict[str, Usage] | str, ...]
    """By the processes with the first session, before the others spoke, where what is told begins, and in the end."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a bench is to do."""

    url: str
    """Address of the gateway's page."""
    sessions: int
    """Listeners at once."""
    seconds: float
    """For how long they begin turns."""
    silence_ms: int = 300
    """The silence that is to end every turn."""
    head_start: bool = False
    """Replies may begin before a turn is certain to be over."""
    patience_seconds: float = 30.0
    """How long the end of a turn is waited for, from the end of speech."""
    interrupts: float = 0.0
    """Share of the replies that are spoken into, 0 to 1."""
    pcm: bool = False
    """Sound is PCM in both directions, at 16 and 24 kHz; Opus otherwise."""
    silent: float = 0.0
    """Share of the sessions that listen and say nothing, 0 to 1; with one session that speaks at least."""
    pids: tuple[int, ...] = ()
    """The processes whose use of the machine is told; empty: gateway and servers, by their metrics."""
    processes: int = 0
    """Processes that hold the sessions; 0: as many as they need."""
    cores: tuple[int, ...] = ()
    """The cores that these keep to; empty: any."""
    ramp_seconds: float = 0.0
    """Before the seconds that are told: the sessions begin to speak one after the other within so many; 0: at once."""
    arrives: bool = False
    """The sessions are opened as they begin to speak, and not all before; who is refused stays away."""
    seed: int | None = None
    """Runs of the same seed say the same, begin at the same times and pause as long; None: each is another one."""
    every_packet: bool = False
    """Silent packets are sent too; otherwise Opus leaves them out as the page does it, and PCM never."""


async def bench(plan: Plan, *, as_json: bool) -> int:
    """Hold the conversations and print the figures; 1 when not one turn could be measured.

    Raises:
        ParleyError: there is no gateway, or it does not let all sessions in.
    """
    result = await measure(plan)
    print(to_json(result.as_object()) if as_json else table(result))
    return 0 if result.measured else 1


async def measure(plan: Plan) -> Result:
    """Hold the conversations; gives the figures.

    Raises:
        ParleyError: there is no gateway, or it does not let all sessions in.
    """
    url, dealt = plan.url.rstrip("/"), parts(plan)
    async with open_http() as http, crew(dealt) as listeners, first_session(dealt[0]):
        used = partial(usage_of, plan.pids) if plan.pids else partial(usage, http, await pages(http, url))
        before = await used()
        opening = time.monotonic()
        await listeners.step()
        opened = time.monotonic() - opening
        idle = await used()
        # Where they begin one after the other, each process says when all its sessions do.
        first = await listeners.step() if plan.ramp_seconds else []
        begun = await used() if first else idle
        began = time.monotonic()
        found = seen(await (listeners.answers() if first else listeners.step()))
        talked = time.monotonic() - began
        after = await used()
    return _result(plan, found, _Course(opened, talked, (before, idle, begun, after)))


def parts(plan: Plan) -> list[Part]:
    """The sessions, dealt out to the processes."""
    # Two processes on one core only get in each other's way.
    cores = len(plan.cores) or os.cpu_count() or 1
    processes = min(plan.sessions, plan.processes or min(cores, -(-plan.sessions // _SESSIONS_A_PROCESS)))
    whole, more = divmod(plan.sessions, processes)
    silent, more_silent = divmod(min(plan.sessions - 1, round(plan.silent * plan.sessions)), processes)
    return [
        Part(
            url=plan.url.rstrip("/"),
            sessions=whole + (number < more),
            seconds=plan.seconds,
            ramp_seconds=plan.ramp_seconds,
            arrives=plan.arrives,
            silence_ms=plan.silence_ms,
            head_start=plan.head_start,
            patience_seconds=plan.patience_seconds,
            interrupts=plan.interrupts,
            pcm=plan.pcm,
            silent=silent + (number < more_silent),
            leaves_out=_leaves_out(plan),
            seed=None if plan.seed is None else plan.seed + number,
            core=plan.cores[number % len(plan.cores)] if plan.cores else None,
        )
        for number in range(processes)
    ]


def _leaves_out(plan: Plan) -> bool:
    return not (plan.pcm or plan.every_packet)


@dataclass(frozen=True, slots=True)
class _Cost:
    """What the sessions took of the machine; None: not known."""

    cpu_seconds: float | None = None
    idle_kb: float | None = None
    talking_kb: float | None = None
    processes: dict[str, dict[str, float | None]] = field(default_factory=dict)


def _cost(plan: Plan, course: _Course, held: int) -> _Cost:
    """What each of so many sessions took that were held."""
    told = [each for each in course.used if isinstance(each, dict)]
    if len(told) < len(course.used):
        return _Cost()
    before, idle, begun, after = told
    return _Cost(
        sum(after[name].cpu_seconds - begun[name].cpu_seconds for name in after),
        None if plan.arrives else _kb(before, idle, held),
        _kb(before, after, held),
        {
            name: {**asdict(each), "talking_kb": round(_kb({name: before[name]}, {name: after[name]}, held), 1)}
            for name, each in shares(begun, after, course.talk_seconds, held).items()
        },
    )


def _result(plan: Plan, found: Seen, course: _Course) -> Result:
    tally, talked = found.tally, course.talk_seconds
    # At least one, where all were refused.
    held = max(1, plan.sessions - tally.refused)
    cost = _cost(plan, course, held)
    cpu = cost.cpu_seconds
    return Result(
        sessions=plan.sessions,
        refused=tally.refused,
        seconds=round(talked, 1),
        turns=tally.turns,
        measured=len(tally.delays_ms),
        unmeasured={reason.value: count for reason, count in tally.unmeasured.items()},
        errors=tally.errors.total(),
        error_messages=dict(tally.errors.most_common(5)),
        ready_per_second=None if plan.arrives else round(plan.sessions / course.open_seconds, 1),
        own_delay_p50_ms=rounded(percentile(tally.delays_ms, 0.5), 2),
        own_delay_p99_ms=rounded(percentile(tally.delays_ms, 0.99), 2),
        own_delay_least_ms=rounded(percentile(tally.delays_ms, 0.0), 2),
        turn_p50_ms=rounded(percentile(tally.turns_ms, 0.5), 1),
        turn_p95_ms=rounded(percentile(tally.turns_ms, 0.95), 1),
        silence_asked_ms=plan.silence_ms,
        silence_p50_ms=rounded(percentile(tally.silences_ms, 0.5), 1),
        silence_p99_ms=rounded(percentile(tally.silences_ms, 0.99), 1),
        late_p99_ms=rounded(percentile(tally.late_ms, 0.99), 2),
        late_packets=sum(late > 0 for late in tally.late_ms),
        underruns=tally.underruns,
        **_barge_in(tally),
        cpu_percent=None if cpu is None else round(100 * cpu / talked, 1),
        cpu_per_session_minute=None if cpu is None else round(cpu / held / talked * 60, 3),
        up_per_session_second=round(tally.sent / held / talked, 1),
        down_per_session_second=round(tally.received / held / talked, 1),
        left_out_percent=_left_out_percent(tally) if _leaves_out(plan) else None,
        idle_kb=None if cost.idle_kb is None else round(cost.idle_kb, 1),
        talking_kb=None if cost.talking_kb is None else round(cost.talking_kb, 1),
        processes=cost.processes,
        client_cpu_percent=round(100 * found.cpu_seconds / talked, 1),
        client_late_p99_ms=rounded(percentile(tally.send_late_ms, 0.99), 2),
        usage_missing=next((page for page in course.used if isinstance(page, str)), ""),
    )


def _barge_in(tally: Tally) -> dict[str, Any]:
    return {
        "interruptions": tally.interruptions,
        "duck_p50_ms": rounded(percentile(tally.duck_ms, 0.5), 2),
        "duck_p99_ms": rounded(percentile(tally.duck_ms, 0.99), 2),
        "own_duck_p50_ms": rounded(percentile(tally.own_duck_ms, 0.5), 2),
        "own_duck_p99_ms": rounded(percentile(tally.own_duck_ms, 0.99), 2),
        "stop_p50_ms": rounded(percentile(tally.stop_ms, 0.5), 1),
        "stop_p99_ms": rounded(percentile(tally.stop_ms, 0.99), 1),
    }


def _left_out_percent(tally: Tally) -> float:
    captured = len(tally.send_late_ms)
    return round(100 * (captured - tally.packets) / max(1, captured), 1)


def _kb(before: Mapping[str, Usage], after: Mapping[str, Usage], sessions: int) -> float:
    """How much more memory was used, by one of so many sessions."""
    grown = sum(after[name].memory_bytes - used.memory_bytes for name, used in before.items())
    return grown / sessions / 1024
