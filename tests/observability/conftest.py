"""One evening of turns for all tests of the stack: real Parley, Collector, Jaeger and Prometheus."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest_asyncio

from tests.observability.prometheus import samples, value
from tests.observability.stack import Stack, eventually, open_stack, point_at
from tests.observability.turns import Evening, Kind, hold, open_parley

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import pytest

# Of the turns that nothing speaks for: that all of them are kept, or none of a kind, happens once in ten thousand runs.
KEPT_PERCENT = 75


@dataclass(frozen=True, slots=True)
class Held:
    """What was held, and the stack that saw it."""

    stack: Stack
    evening: Evening


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def held(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Held]:
    """Turns of every kind, with all traces decided; the last Parley is still up, so that it can be scraped."""
    evening = Evening()
    # A turn of the slow kind takes longer in any case. On a busy machine others may too, and are kept.
    settings = {"STACK_TRACE_KEEP_PERCENT": str(KEPT_PERCENT), "STACK_TRACE_SLOW": "2400ms"}
    async with open_stack(tmp_path_factory.mktemp("stack"), **settings) as stack:
        for kind, away in ((Kind.NO_LLM, "PARLEY_LLM_ADDRESS"), (Kind.NO_TTS, "PARLEY_TTS_ADDRESS")):
            async with open_parley(stack.otlp, **{away: "127.0.0.1:1"}) as house:
                await hold(house, evening, kind)
        async with open_parley(stack.otlp) as house:
            point_at(stack, house.ports)
            others = [kind for kind in Kind if kind not in {Kind.NO_LLM, Kind.NO_TTS}]
            await hold(house, evening, *others)
            await eventually(lambda: _all_decided(stack, evening), "the Collector's decision on every trace")
            here = [turn for turn in evening.turns if turn.kind in others and turn.report.turn]
            await eventually(lambda: _scraped(stack, len(here)), "a scrape of all that was counted")
            yield Held(stack, evening)


async def _all_decided(stack: Stack, evening: Evening) -> bool | None:
    decided = await samples(
        stack.collector_metrics, "otelcol_processor_tail_sampling_global_count_traces_sampled_total"
    )
    return sum(decided.values()) >= len(evening.turns) or None


async def _scraped(stack: Stack, turns: int) -> bool | None:
    return (await value(stack, "sum(parley_turns_total)") or 0) >= turns or None
