"""One evening of turns for all tests of the stack: real Parley, Collector, Jaeger and Prometheus."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest_asyncio

from tests.observability.log_store import LogStore, open_log_store
from tests.observability.prometheus import samples, value
from tests.observability.stack import Stack, open_stack, point_at
from tests.observability.store import search
from tests.observability.turns import AWAY, Evening, Kind, hold, open_parley, speak_in_vain
from tests.programs import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import pytest

# Of the turns that nothing speaks for: that all of them are kept, or none of a kind, happens once in ten thousand runs.
KEPT_PERCENT = 75
NOWHERE = "127.0.0.1:1"


@dataclass(frozen=True, slots=True)
class Held:
    """What was held, and the stack that saw it."""

    stack: Stack
    evening: Evening
    logs: LogStore


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def held(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Held]:
    """Turns of every kind, with all traces decided; the last Parley is still up, so that it can be scraped."""
    evening = Evening()
    # A turn of the slow kind takes longer in any case. On a busy machine others may too, and are kept.
    settings = {"STACK_TRACE_KEEP_PERCENT": str(KEPT_PERCENT), "STACK_TRACE_SLOW": "2400ms"}
    folder = tmp_path_factory.mktemp("stack")
    async with open_log_store() as logs, open_stack(folder, STACK_LOG_STORE=logs.address, **settings) as stack:
        async with open_parley(stack.otlp, PARLEY_ASR_ADDRESS=NOWHERE) as house:
            await speak_in_vain(house, evening)
        for kind, away in ((Kind.NO_LLM, "PARLEY_LLM_ADDRESS"), (Kind.NO_TTS, "PARLEY_TTS_ADDRESS")):
            async with open_parley(stack.otlp, **{away: NOWHERE}) as house:
                await hold(house, evening, kind)
        async with open_parley(stack.otlp) as house:
            point_at(stack, house.ports)
            others = [kind for kind in Kind if kind not in AWAY]
            await hold(house, evening, *others)
            await eventually(lambda: _all_decided(stack, evening), "the Collector's decision on every trace")
            await eventually(lambda: _all_stored(stack), "every kept trace in the store")
            here = [turn for turn in evening.turns if turn.kind in others]
            await eventually(lambda: _scraped(stack, len(here)), "a scrape of all that was counted")
            yield Held(stack, evening, logs)


async def _all_decided(stack: Stack, evening: Evening) -> bool | None:
    """True once that is so: no turn is under way any more, and each has one root."""
    decided = await samples(
        stack.collector_metrics, "otelcol_processor_tail_sampling_global_count_traces_sampled_total"
    )
    roots = await samples(stack.span_metrics, "traces_span_metrics_calls_total")
    ended = sum(count for labels, count in roots.items() if dict(labels)["span_name"] == "parley.turn")
    return sum(decided.values()) == ended >= len(evening.turns) + evening.lost or None


async def _all_stored(stack: Stack) -> bool | None:
    kept = await samples(
        stack.collector_metrics, "otelcol_processor_tail_sampling_global_count_traces_sampled_total", sampled="true"
    )
    return len(await search(stack.jaeger, "gateway", "parley.turn")) == sum(kept.values()) or None


async def _scraped(stack: Stack, turns: int) -> bool | None:
    return (await value(stack, "sum(parley_turns_total)") or 0) >= turns or None
