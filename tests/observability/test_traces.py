"""Turns of every kind in a real trace store: which are kept, whether they are whole, and what is not in them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import pytest

from parley.conversation import Outcome
from tests.edge_gateway.traces import Row, table
from tests.observability.prometheus import samples
from tests.observability.store import Trace, search, trace
from tests.observability.turns import CANARY, OF_EACH, SOUNDS, Kind
from tests.programs import eventually

if TYPE_CHECKING:
    from collections.abc import Iterable

    from parley.conversation import TurnReport
    from tests.observability.conftest import Held

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(600)]

_ROWS: Final = {
    Kind.PLAIN: "spoken",
    Kind.HEAD_START: "head start used",
    Kind.DROPPED: "head start dropped",
    Kind.SLOW: "spoken",
    Kind.INTERRUPTED: "interrupted",
    Kind.TYPED: "typed",
    Kind.GREETING: "greeting",
    Kind.FUNCTION: "with a function",
    Kind.RETRIED: "asked of another endpoint",
    Kind.MODEL_FAILS: "the model fails",
    Kind.NO_LLM: "the LLM server is away",
    Kind.NO_TTS: "the TTS server is away",
}
"""What each kind is called in ARCHITECTURE.md, where those that are typed here may be spoken."""


def promised(kind: Kind) -> Row:
    """What ARCHITECTURE.md says of a whole trace of this kind."""
    rows = table()
    row, typed = rows[_ROWS[kind]], kind not in {*SOUNDS, Kind.GREETING}
    heard = rows["spoken"].spans - rows["typed"].spans
    return replace(row, kind="typed", spans=row.spans - heard) if typed else row


async def test_there_were_enough_turns_of_every_kind(held: Held) -> None:
    evening = held.evening
    counted = {kind: len(evening.of(kind)) for kind in Kind if kind is not Kind.NO_ASR} | {Kind.NO_ASR: evening.lost}
    assert min(counted.values()) >= OF_EACH >= 8, counted
    assert sum(counted.values()) >= 100


async def test_what_failed_was_interrupted_or_was_slow_is_kept_and_of_the_rest_a_share(held: Held) -> None:
    wrong = [*held.evening.ended(Outcome.FAILED, Outcome.INTERRUPTED), *held.evening.of(Kind.SLOW)]
    assert len(wrong) >= 5 * OF_EACH
    for report in wrong:
        await _arrived(held, report)
    rest = [report for report in held.evening.reports if report not in wrong]
    kept = await _kept(held, rest)
    assert 0 < len(kept) < len(rest)


async def test_a_turn_that_no_asr_server_heard_is_kept_with_the_hop_that_failed(held: Held) -> None:
    lost = await search(held.stack.jaeger, "gateway", "parley.turn", parley__failed_hop="asr")
    assert len(lost) == held.evening.lost
    row = table()["the ASR server is away"]
    for trace_id in lost:
        each = await trace(held.stack.jaeger, trace_id)
        assert each is not None
        assert each.orphans == []
        assert (each.root.tags["parley.outcome"], each.root.failed) == (row.outcome, True)
        assert row.spans <= each.names
        assert {span.name for span in each.spans if span.failed and span.parent} == row.failed


async def test_every_trace_is_either_kept_or_counted_as_dropped(held: Held) -> None:
    counted = await samples(
        held.stack.collector_metrics, "otelcol_processor_tail_sampling_global_count_traces_sampled_total"
    )
    decided = {dict(labels)["sampled"]: count for labels, count in counted.items()}
    stored = await search(held.stack.jaeger, "gateway", "parley.turn")
    assert decided["true"] == len(stored)
    assert decided["true"] + decided["false"] >= len(held.evening.turns) + held.evening.lost


async def test_turns_are_found_by_how_they_ended(held: Held) -> None:
    for outcome in (Outcome.INTERRUPTED, Outcome.FAILED):
        ids = {report.trace_id for report in held.evening.ended(outcome)}
        found = await search(held.stack.jaeger, "gateway", "parley.turn", parley__outcome=outcome.name.lower())
        lost = held.evening.lost if outcome is Outcome.FAILED else 0
        assert ids <= found
        assert len(found) == len(ids) + lost


async def test_a_hop_that_failed_is_found_by_its_error(held: Held) -> None:
    ids = {report.trace_id for report in held.evening.of(Kind.MODEL_FAILS)}
    assert await search(held.stack.jaeger, "llm", "llm.chat", error="true") == ids


@pytest.mark.parametrize("kind", _ROWS)
async def test_every_kept_trace_is_whole(held: Held, kind: Kind) -> None:
    kept, row = await _kept(held, held.evening.of(kind)), promised(kind)
    assert kept, "none of them was kept"
    for each in kept:
        assert each.orphans == []
        below = [span for span in each.spans if span.parent]
        tags = (each.root.tags["parley.kind"], each.root.tags["parley.outcome"], each.root.tags["parley.head_start"])
        assert (each.root.name, *tags) == ("parley.turn", row.kind, row.outcome, row.head_start)
        assert {span.name for span in below} == row.spans
        assert {span.name for span in below if span.failed} == row.failed


async def test_no_words_reach_the_store_though_they_are_in_the_spans(held: Held) -> None:
    kept = await _kept(held, held.evening.reports)
    # The servers wrote them: the event that had them is there, and has nothing left but its name.
    events = [event for each in kept for span in each.spans for event in span.events]
    assert {"event": "parley.pii.delta"} in events
    tags = {name for each in kept for span in each.spans for name in span.tags}
    assert {name for name in tags if name.startswith("parley.pii.")} == set()
    assert {word for each in kept for word in (CANARY, "parley.pii.text") if word in each.text} == set()


async def _kept(held: Held, reports: Iterable[TurnReport]) -> list[Trace]:
    found = [await trace(held.stack.jaeger, report.trace_id) for report in reports]
    return [each for each in found if each is not None]


async def _arrived(held: Held, report: TurnReport) -> Trace:
    what = f"the {report.outcome.name} turn {report.trace_id}"
    return await eventually(lambda: trace(held.stack.jaeger, report.trace_id), what)
