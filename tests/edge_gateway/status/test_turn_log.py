"""What is kept of turns that are over, and the figures that are made of it."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Final

import pytest

from edge_gateway.status.turn_log import MOST_TURNS, SPOKEN, WRITTEN, LoggedTurn, TurnLog, percentiles
from edge_gateway.turn import GREETING, Turn
from parley.conversation import Outcome, TurnReport, WaterfallSlice

if TYPE_CHECKING:
    from collections.abc import Sequence

CANARY: Final = "quagga marzipan"


def report(turn: Turn, milliseconds: float | None = 400.0, *slices: WaterfallSlice) -> TurnReport:
    return TurnReport(
        turn=turn.number,
        transcript=CANARY,
        reply_text=CANARY,
        heard=CANARY,
        mic_to_speaker_ms=milliseconds,
        waterfall=slices,
        trace_id=turn.identity.trace_id_hex,
        outcome=Outcome.COMPLETED,
        clock_uncertainty_ms=0.5,
        reply=1,
        head_start=True,
        explained=0.98,
        model="small@here",
    )


def logged(*times: tuple[Turn, float | None, Sequence[WaterfallSlice]]) -> TurnLog:
    log = TurnLog()
    for at, (turn, milliseconds, slices) in enumerate(times):
        log.add("s1", turn, report(turn, milliseconds, *slices), at)
    return log


def spoken(*milliseconds: float | None) -> TurnLog:
    return logged(*((Turn(number + 1), each, ()) for number, each in enumerate(milliseconds)))


def test_the_newest_turn_comes_first_and_the_oldest_goes_when_there_are_too_many() -> None:
    log = spoken(*(float(each) for each in range(MOST_TURNS + 7)))
    assert [each.turn for each in log.turns] == list(range(MOST_TURNS + 7, 7, -1))
    assert log.percentiles()[SPOKEN].count == MOST_TURNS


def test_not_a_word_of_anybody_is_kept() -> None:
    [turn] = logged((Turn(1, text=CANARY), 400.0, (WaterfallSlice("llm.chat", 0.0, 1.0),))).turns
    kept = {each.name: getattr(turn, each.name) for each in fields(LoggedTurn)}
    assert CANARY not in repr(kept)
    assert kept["model"] == "small@here"


@pytest.mark.parametrize(
    ("turn", "kind"), [(Turn(3), "spoken"), (Turn.written(3), "typed"), (Turn.written(GREETING), "greeting")]
)
def test_a_turn_is_spoken_typed_or_a_greeting(turn: Turn, kind: str) -> None:
    [found] = logged((turn, 1.0, ())).turns
    assert found.kind == kind


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([300.0], (300.0, 300.0, 300.0, 1)),
        ([100.0, 200.0], (150.0, 195.0, 199.0, 2)),
        ([300.0, 100.0, 200.0], (200.0, 290.0, 298.0, 3)),
        ([float(each) for each in range(101)], (50.0, 95.0, 99.0, 101)),
    ],
)
def test_percentiles_lie_between_the_nearest_values(
    times: list[float], expected: tuple[float, float, float, int]
) -> None:
    found = spoken(*times).percentiles()[SPOKEN]
    assert (found.p50, found.p95, found.p99, found.count) == pytest.approx(expected)


def test_a_turn_that_nobody_heard_counts_in_no_percentile() -> None:
    slices = (WaterfallSlice("asr.endpoint", 0.0, 300.0),)
    log = logged((Turn(1), None, slices), (Turn(2), 500.0, slices))
    assert {name: each.count for name, each in log.percentiles().items()} == {SPOKEN: 1, "asr.endpoint": 1}


def test_of_nothing_there_are_no_percentiles() -> None:
    assert TurnLog().percentiles() == {}
    assert spoken(None, None).percentiles() == {}


def test_typed_turns_and_greetings_are_measured_apart_from_spoken_ones() -> None:
    log = logged((Turn(1), 500.0, ()), (Turn.written(2), 50.0, ()), (Turn.written(GREETING), 70.0, ()))
    found = log.percentiles()
    assert (found[SPOKEN].p50, found[WRITTEN].p50) == (500.0, 60.0)


def test_a_stage_is_what_the_listener_waited_for_it_before_the_first_sound() -> None:
    slices = (
        WaterfallSlice("client.capture", -20.0, 50.0),
        WaterfallSlice("llm.chat", 100.0, 2_000.0),
        WaterfallSlice("tts.synthesize", 200.0, 50.0),
        WaterfallSlice("tts.synthesize", 290.0, 100.0),
        WaterfallSlice("tts.synthesize", 900.0, 100.0),
    )
    found = logged((Turn(1), 300.0, slices)).percentiles()
    assert {name: each.p50 for name, each in found.items() if name != SPOKEN} == {
        "client.capture": 30.0,
        "llm.chat": 200.0,
        "tts.synthesize": 60.0,
    }


def test_nothing_is_captured_of_words_that_were_typed() -> None:
    slices = (WaterfallSlice("client.capture", 0.0, 10.0), WaterfallSlice("llm.chat", 10.0, 10.0))
    found = logged((Turn.written(1), 30.0, slices)).percentiles()
    assert set(found) == {WRITTEN, "llm.chat"}


def test_a_reply_of_a_thousand_sentences_takes_no_more_room_than_a_long_one() -> None:
    slices = [WaterfallSlice("tts.synthesize", float(each), 1.0) for each in range(1_000)]
    [turn] = logged((Turn(1), 10.0, slices)).turns
    assert turn.waterfall == tuple(slices[: len(turn.waterfall)])
    assert len(turn.waterfall) < 100
    assert percentiles([turn])["tts.synthesize"].p50 == 10.0
