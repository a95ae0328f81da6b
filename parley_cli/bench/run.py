"""Opens the sessions of a bench, lets them talk, and makes figures of what they saw."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from parley._duplex import first_of
from parley_cli.bench.figures import Result, rounded, table
from parley_cli.bench.ledger import Tally
from parley_cli.bench.session import Manner, Session
from parley_cli.bench.usage import Usage, usage
from parley_cli.bench.utterances import make_utterances, silence
from parley_cli.client import converse, open_http
from parley_cli.percentiles import percentile
from parley_cli.terminal import to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    import aiohttp

    from parley.conversation import Conversation

_UTTERANCES: Final = 32
# Many connect at once, and the gateway takes them one after the other.
_CONNECT_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class _Course:
    """What a run took."""

    open_seconds: float
    talk_seconds: float
    own_cpu_seconds: float
    used: tuple[Usage | str, Usage | str, Usage | str]
    """By the processes before the sessions, before they spoke, and in the end."""


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


async def bench(plan: Plan, *, as_json: bool) -> int:
    """Hold the conversations and print the figures; 1 when not one turn could be measured.

    Raises:
        ParleyError: there is no gateway, or it does not let all sessions in.
    """
    try:
        result = await measure(plan)
    except BaseExceptionGroup as group:
        raise first_of(group) from None
    print(to_json(result.as_object()) if as_json else table(result))
    return 0 if result.measured else 1


async def measure(plan: Plan) -> Result:
    """Hold the conversations; gives the figures."""
    url, tally, chance = plan.url.rstrip("/"), Tally(), random.Random()  # noqa: S311 - no secret
    manner = Manner(
        make_utterances(_UTTERANCES, chance), silence(), plan.silence_ms, plan.head_start, plan.patience_seconds
    )
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(open_http(_CONNECT_SECONDS))
        empty = await usage(http, url)
        opening = time.monotonic()
        sessions = await _opened(stack, http, plan, lambda conversation: Session(conversation, manner, tally, chance))
        opened = time.monotonic() - opening
        idle = await usage(http, url)
        began, own = time.monotonic(), time.process_time()
        await _all(session.talk(plan.seconds) for session in sessions)
        talked, own = time.monotonic() - began, time.process_time() - own
        after = await usage(http, url)
    return _result(plan, tally, _Course(opened, talked, own, (empty, idle, after)))


async def _opened(
    stack: AsyncExitStack,
    http: aiohttp.ClientSession,
    plan: Plan,
    new: Callable[[Conversation], Session],
) -> list[Session]:
    """All sessions, opened side by side and ready."""
    sessions: list[Session] = []

    async def open_one() -> None:
        conversation = await stack.enter_async_context(converse(plan.url, http))
        session = new(conversation)
        await session.open()
        sessions.append(session)

    await _all(open_one() for _ in range(plan.sessions))
    return sessions


async def _all(work: Iterable[Coroutine[object, object, None]]) -> None:
    async with asyncio.TaskGroup() as tasks:
        for each in work:
            tasks.create_task(each)


def _result(plan: Plan, tally: Tally, course: _Course) -> Result:
    empty, idle, after = course.used
    talked = course.talk_seconds
    cpu = idle_kb = talking_kb = None
    if isinstance(empty, Usage) and isinstance(idle, Usage) and isinstance(after, Usage):
        cpu = after.cpu_seconds - idle.cpu_seconds
        idle_kb = (idle.memory_bytes - empty.memory_bytes) / plan.sessions / 1024
        talking_kb = (after.memory_bytes - empty.memory_bytes) / plan.sessions / 1024
    return Result(
        sessions=plan.sessions,
        seconds=round(talked, 1),
        turns=tally.turns,
        measured=len(tally.delays_ms),
        unmeasured={reason.value: count for reason, count in tally.unmeasured.items()},
        errors=tally.errors.total(),
        error_messages=dict(tally.errors.most_common(5)),
        ready_per_second=round(plan.sessions / course.open_seconds, 1),
        own_delay_p50_ms=rounded(percentile(tally.delays_ms, 0.5), 2),
        own_delay_p99_ms=rounded(percentile(tally.delays_ms, 0.99), 2),
        own_delay_least_ms=rounded(percentile(tally.delays_ms, 0.0), 2),
        turn_p50_ms=rounded(percentile(tally.turns_ms, 0.5), 1),
        turn_p95_ms=rounded(percentile(tally.turns_ms, 0.95), 1),
        silence_asked_ms=plan.silence_ms,
        silence_p50_ms=rounded(percentile(tally.silences_ms, 0.5), 1),
        silence_p99_ms=rounded(percentile(tally.silences_ms, 0.99), 1),
        late_p99_ms=rounded(percentile(tally.late_ms, 0.99), 2),
        underruns=tally.underruns,
        cpu_percent=None if cpu is None else round(100 * cpu / talked, 1),
        cpu_per_session_minute=None if cpu is None else round(cpu / plan.sessions / talked * 60, 3),
        idle_kb=None if idle_kb is None else round(idle_kb, 1),
        talking_kb=None if talking_kb is None else round(talking_kb, 1),
        client_cpu_percent=round(100 * course.own_cpu_seconds / talked, 1),
        client_late_p99_ms=rounded(percentile(tally.send_late_ms, 0.99), 2),
        usage_missing=next((page for page in course.used if isinstance(page, str)), ""),
    )
