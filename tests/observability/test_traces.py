"""Turns of every kind in a real trace store: which are kept, whether they are whole, and what is not in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from parley.conversation import Outcome
from tests.observability.prometheus import samples
from tests.observability.stack import eventually
from tests.observability.store import Trace, search, trace
from tests.observability.turns import CANARY, OF_EACH, SPARE, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from parley.conversation import TurnReport
    from tests.observability.conftest import Held

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(600)]

_PLAYED: Final = frozenset(
    {"tts.synthesize", "gateway.encode", "client.downlink", "client.jitter_buffer", "client.playout"}
)
_SPOKEN: Final = frozenset(
    {"client.capture", "client.uplink", "gateway.decode", "asr.endpoint", "asr.transcribe", "gateway.decide"}
)
SPANS: Final = {
    Kind.PLAIN: _SPOKEN | {"llm.chat"} | _PLAYED,
    Kind.HEAD_START: _SPOKEN | {"llm.chat"} | _PLAYED,
    Kind.DROPPED: _SPOKEN | {"llm.chat"} | _PLAYED,
    Kind.SLOW: _SPOKEN | {"llm.chat"} | _PLAYED,
    Kind.INTERRUPTED: _SPOKEN | {"llm.chat"} | _PLAYED,
    Kind.TYPED: {"llm.chat"} | _PLAYED,
    Kind.GREETING: _PLAYED,
    Kind.FUNCTION: {"llm.chat", "execute_tool light"} | _PLAYED,
    Kind.RETRIED: {"llm.chat"} | _PLAYED,
    Kind.MODEL_FAILS: {"llm.chat"},
    Kind.NO_LLM: set(),
    Kind.NO_TTS: {"llm.chat"},
}
"""What a whole trace of each kind has below its root."""


async def test_there_were_enough_turns_of_every_kind(held: Held) -> None:
    assert {kind: len(held.evening.of(kind)) for kind in Kind} == {
        kind: OF_EACH * (2 if kind is Kind.INTERRUPTED else 1) for kind in Kind
    }
    assert len(held.evening.turns) >= 100
    assert OF_EACH >= 8


async def test_every_turn_went_as_its_kind_says(held: Held) -> None:
    evening, ended = held.evening, held.evening.ended
    assert len(ended(Outcome.INTERRUPTED)) == OF_EACH
    assert {report.trace_id for report in ended(Outcome.FAILED)} == {
        report.trace_id for report in evening.of(Kind.MODEL_FAILS, Kind.NO_LLM, Kind.NO_TTS)
    }
    assert [report.head_start for report in evening.of(Kind.HEAD_START)] == [True] * OF_EACH
    assert [report.head_start for report in evening.of(Kind.PLAIN, Kind.DROPPED)] == [False] * 2 * OF_EACH
    assert [report.model for report in evening.of(Kind.RETRIED)] == [SPARE] * OF_EACH


async def test_what_failed_was_interrupted_or_was_slow_is_kept_and_of_the_rest_a_share(held: Held) -> None:
    wrong = [*held.evening.ended(Outcome.FAILED, Outcome.INTERRUPTED), *held.evening.of(Kind.SLOW)]
    assert len(wrong) >= 5 * OF_EACH
    for report in wrong:
        await _arrived(held, report)
    rest = [turn.report for turn in held.evening.turns if turn.report not in wrong]
    kept = await _kept(held, rest)
    assert 0 < len(kept) < len(rest)


async def test_every_trace_is_either_kept_or_counted_as_dropped(held: Held) -> None:
    counted = await samples(
        held.stack.collector_metrics, "otelcol_processor_tail_sampling_global_count_traces_sampled_total"
    )
    decided = {dict(labels)["sampled"]: count for labels, count in counted.items()}
    stored = await search(held.stack.jaeger, "gateway", "parley.turn")
    assert decided["true"] == len(stored)
    assert decided["true"] + decided["false"] == len(held.evening.turns)


async def test_turns_are_found_by_how_they_ended(held: Held) -> None:
    for outcome in (Outcome.INTERRUPTED, Outcome.FAILED):
        ids = {report.trace_id for report in held.evening.ended(outcome)}
        found = await search(held.stack.jaeger, "gateway", "parley.turn", parley__outcome=outcome.name.lower())
        assert found == ids


async def test_a_hop_that_failed_is_found_by_its_error(held: Held) -> None:
    ids = {report.trace_id for report in held.evening.of(Kind.MODEL_FAILS)}
    assert await search(held.stack.jaeger, "llm", "llm.chat", error="true") == ids


@pytest.mark.parametrize("kind", Kind)
async def test_every_kept_trace_is_whole(held: Held, kind: Kind) -> None:
    kept = await _kept(held, held.evening.of(kind))
    assert kept, "none of them was kept"
    for each in kept:
        assert each.orphans == []
        assert each.root.name == "parley.turn"
        assert SPANS[kind] - each.names == set()


async def test_no_words_reach_the_store_though_they_are_in_the_spans(held: Held) -> None:
    kept = await _kept(held, [turn.report for turn in held.evening.turns])
    # The servers wrote them: the event that had them is there, and has nothing left but its name.
    events = [event for each in kept for span in each.spans for event in span.events]
    assert {"event": "parley.pii.delta"} in events
    assert [each.id for each in kept if CANARY in each.text or "parley.pii.text" in each.text] == []


async def _kept(held: Held, reports: Iterable[TurnReport]) -> list[Trace]:
    found = [await trace(held.stack.jaeger, report.trace_id) for report in reports]
    return [each for each in found if each is not None]


async def _arrived(held: Held, report: TurnReport) -> Trace:
    what = f"the {report.outcome.name} turn {report.trace_id}"
    return await eventually(lambda: trace(held.stack.jaeger, report.trace_id), what)
