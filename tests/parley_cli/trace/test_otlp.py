"""Spans in OTLP's JSON are read as they are seen in the field, and whatever else comes does no harm."""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from parley.errors import EngineFailed
from parley.waterfall import Span
from parley_cli.trace.otlp import hexadecimal, spans_of
from parley_cli.trace.turn import of_stats, of_trace
from tests.parley_cli.trace.stand_ins import Part, as_json, sent

SPAN: Final = {
    "traceId": "0123456789abcdef0123456789abcdef",
    "spanId": "0123456789abcdef",
    "name": "llm.chat",
    "startTimeUnixNano": "1780000000000000000",
    "endTimeUnixNano": "1780000000250000000",
}


def document(*spans: dict[str, object], **others: object) -> dict[str, object]:
    """A trace of one process."""
    return {"resourceSpans": [{"scopeSpans": [{"spans": [{**SPAN, **span} for span in spans]}], **others}]}


def a_turn(root: Part) -> None:
    """A turn whose model fails."""
    chat = root.part("llm", "llm.chat", 10.5, parley__queue_ms=2.5, gen_ai__usage__input_tokens=7, parley__eager=True)
    chat.part("llm", "llm.queue", 10.5).end(20)
    chat.end(110, EngineFailed("the model is gone"))


@pytest.mark.parametrize("hexadecimal", [True, False], ids=["hexadecimal", "base64"])
@pytest.mark.parametrize("wrapped", [True, False], ids=["v2", "v1"])
async def test_what_the_sdk_sends_is_read_in_either_spelling(*, hexadecimal: bool, wrapped: bool) -> None:
    batches = as_json(await sent(lambda turns: turns.turn(3, 200, a_turn)), hexadecimal=hexadecimal)
    answer = {"trace": {"resourceSpans": batches}} if wrapped else {"batches": batches}
    spans = {span.name: span for span in spans_of(answer)}
    root, chat, queue = spans["parley.turn"], spans["llm.chat"], spans["llm.queue"]
    assert (root.start_ms, root.duration_ms, root.parent, root.service) == (0, 200, "", "gateway")
    assert (chat.start_ms, chat.duration_ms, chat.parent, chat.service) == (10.5, 99.5, root.id, "llm")
    assert queue.parent == chat.id
    assert len(root.id) == 16
    assert chat.attributes == {"parley.queue_ms": 2.5, "gen_ai.usage.input_tokens": 7, "parley.eager": True}
    assert chat.error == "parley.errors.EngineFailed: the model is gone"
    assert root.error == queue.error == ""
    turn = of_trace("0" * 32, tuple(spans.values()))
    assert (turn.turn, turn.session, turn.kind, turn.outcome) == (3, "s1", "spoken", "completed")


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("0123456789ABCDEF", "0123456789abcdef"),
        ("0123456789abcdef0123456789abcdef", "0123456789abcdef0123456789abcdef"),
        ("ASNFZ4mrze8=", "0123456789abcdef"),
        ("ASNFZ4mrze8", "0123456789abcdef"),
        ("ASNFZ4mrze8BI0VniavN7w==", "0123456789abcdef0123456789abcdef"),
        ("-_________8=", "fbffffffffffffff"),
        ("+/////////8=", "fbffffffffffffff"),
        ("0000000000000000", ""),
        ("AAAAAAAAAAA=", ""),
        ("xyz", ""),
        ("", ""),
        (None, ""),
        (7, ""),
    ],
)
def test_an_id_is_hexadecimal_or_base64(written: object, read: str) -> None:
    assert hexadecimal(written) == read


@pytest.mark.parametrize(
    ("span", "error"),
    [
        ({"status": {"code": 2}}, "failed"),
        ({"status": {"code": "STATUS_CODE_ERROR", "message": "gone"}}, "gone"),
        (
            {"status": {"code": 2}, "attributes": [{"key": "error.type", "value": {"stringValue": "Timeout"}}]},
            "Timeout",
        ),
        ({"status": {"code": 1, "message": "fine"}}, ""),
        ({"status": {"code": "STATUS_CODE_OK"}}, ""),
        ({"status": None}, ""),
        ({}, ""),
    ],
)
def test_an_error_is_what_its_span_says_of_it(span: dict[str, object], error: str) -> None:
    (read,) = spans_of(document(span))
    assert read.error == error


def test_attributes_are_plain_values_whatever_they_are() -> None:
    values = {
        "text": {"stringValue": "a"},
        "whole": {"intValue": "-5"},
        "number": {"doubleValue": 0.5},
        "yes": {"boolValue": True},
        "list": {"arrayValue": {"values": [{"intValue": 1}, {"stringValue": "b"}]}},
        "map": {"kvlistValue": {"values": [{"key": "k", "value": {"intValue": "2"}}]}},
        "none": {},
    }
    written = [{"key": key, "value": value} for key, value in values.items()]
    (read,) = spans_of(document({"attributes": written}))
    assert read.attributes == {
        "text": "a", "whole": -5, "number": 0.5, "yes": True, "list": [1, "b"], "map": {"k": 2}, "none": None,
    }  # fmt: skip


def test_older_names_of_the_parts_are_read_too() -> None:
    older = {"batches": [{"instrumentationLibrarySpans": [{"spans": [SPAN]}]}]}
    assert [span.name for span in spans_of(older)] == ["llm.chat"]


def test_a_span_that_ends_before_it_begins_takes_no_time() -> None:
    (read,) = spans_of(document({"endTimeUnixNano": "1"}))
    assert read.duration_ms == 0


# A busy machine is slow, and nothing is wrong.
at_any_speed = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_FIELDS = st.sampled_from([*SPAN, "parentSpanId", "attributes", "status", "events"])
_BROKEN = st.lists(st.dictionaries(_FIELDS, _JSON, max_size=4), max_size=4)


@at_any_speed
@given(_JSON)
def test_any_json_is_a_trace_without_spans_or_with_some(anything: object) -> None:
    for answer in (anything, {"trace": anything}, {"batches": anything}, {"resourceSpans": [anything]}):
        assert isinstance(spans_of(answer), tuple)
    for told in (anything, {"turns": anything}, {"turns": [{"waterfall": anything, "turn": anything}]}):
        assert all(turn.to_json() for turn in of_stats(told))


@at_any_speed
@given(_BROKEN)
def test_fields_of_any_other_type_count_as_absent(broken: list[dict[str, object]]) -> None:
    spans = spans_of(document(*broken))
    assert all(isinstance(span, Span) for span in spans)
    assert of_trace("0" * 32, spans).to_json()
