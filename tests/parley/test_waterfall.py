"""The critical path of a turn: what the listener waited for, from the end of their speech to the first sound."""

from __future__ import annotations

import dataclasses
import math
import re
from itertools import pairwise
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from parley import _bottlenecks
from parley._variables import KNOWN
from parley.asr import Endpointing
from parley.conversation import SessionConfig, TurnTaking
from parley.waterfall import (
    ROOT,
    UNEXPLAINED,
    Span,
    Step,
    advice,
    critical_path,
    explained,
    of_slices,
    root_of,
    self_ms,
    waited_ms,
)

BEFORE: Final = (
    ("client.capture", 0, 16),
    ("client.uplink", 16, 4),
    ("gateway.decode", 20, 1),
)
AFTER: Final = (
    ("gateway.encode", 500, 1),
    ("client.downlink", 501, 9),
    ("client.jitter_buffer", 510, 60),
    ("client.playout", 570, 30),
)
PLAIN: Final = of_slices(
    600,
    (
        *BEFORE,
        ("asr.endpoint", 21, 279),
        ("asr.transcribe", 300, 40),
        ("gateway.decide", 340, 1),
        ("llm.chat", 341, 300),
        ("tts.synthesize", 420, 150),
        ("tts.synthesize", 460, 400),
        *AFTER,
    ),
)
"""The LLM is asked when the words are there; its first sentence is complete at 420, and heard from 500 on."""
HEAD_START: Final = of_slices(
    600,
    (
        *BEFORE,
        ("asr.endpoint", 21, 477),
        ("asr.transcribe", 180, 40),
        ("llm.chat", 221, 500),
        ("tts.synthesize", 300, 150),
        ("tts.synthesize", 499, 400),
        ("gateway.decide", 499, 1),
        *AFTER,
    ),
)
"""The reply is ready before the turn is certain to be over, and waits for that."""
TAIL: Final = [("gateway.encode", 1), ("client.downlink", 9), ("client.jitter_buffer", 60), ("client.playout", 30)]


def lengths(path: tuple[Step, ...]) -> list[tuple[str, float]]:
    """Names and durations of a path."""
    return [(step.name, step.duration_ms) for step in path]


def test_without_a_head_start_each_hop_is_waited_for_until_the_next_one_begins() -> None:
    assert lengths(critical_path(PLAIN)) == [
        ("client.capture", 16),
        ("client.uplink", 4),
        ("gateway.decode", 1),
        ("asr.endpoint", 279),
        ("asr.transcribe", 40),
        ("gateway.decide", 1),
        ("llm.chat", 79),
        ("tts.synthesize", 80),
        *TAIL,
    ]


def test_what_a_head_start_made_meanwhile_was_not_waited_for() -> None:
    assert lengths(critical_path(HEAD_START)) == [
        ("client.capture", 16),
        ("client.uplink", 4),
        ("gateway.decode", 1),
        ("asr.endpoint", 477),
        (UNEXPLAINED, 1),
        ("gateway.decide", 1),
        *TAIL,
    ]


def test_a_head_start_that_was_not_ready_in_time_was_waited_for() -> None:
    path = critical_path(
        of_slices(
            900,
            [
                ("asr.endpoint", 0, 400),
                ("llm.chat", 200, 900),
                ("gateway.decide", 400, 1),
                ("tts.synthesize", 650, 300),
                ("gateway.encode", 899, 1),
            ],
        )
    )
    assert lengths(path) == [
        ("asr.endpoint", 200),
        ("llm.chat", 450),
        ("tts.synthesize", 249),
        ("gateway.encode", 1),
    ]


def test_a_reply_that_was_held_back_waited_for_the_leave_to_be_heard() -> None:
    path = critical_path(
        of_slices(
            801,
            [
                ("asr.endpoint", 0, 300),
                ("gateway.decide", 300, 500),
                ("llm.chat", 300, 400),
                ("tts.synthesize", 400, 900),
                ("gateway.encode", 800.2, 0.8),
            ],
        )
    )
    assert [step.name for step in path] == ["asr.endpoint", "gateway.decide", UNEXPLAINED, "gateway.encode"]


def test_work_from_before_the_end_of_the_speech_counts_from_there_on() -> None:
    path = critical_path(of_slices(300, [("llm.chat", -500, 600), ("tts.synthesize", 100, 200)]))
    assert lengths(path) == [("llm.chat", 100), ("tts.synthesize", 200)]


def test_the_parts_of_a_span_are_waited_for_in_its_place() -> None:
    spans = (
        Span(ROOT, "gateway", "root", "", 0, 100),
        Span("llm.chat", "llm", "a", "root", 0, 100),
        Span("llm.queue", "llm", "b", "a", 10, 30),
        Span("execute_tool light", "llm", "c", "a", 40, 50),
        Span("execute_tool heat", "llm", "d", "a", 40, 20),
    )
    assert lengths(critical_path(spans)) == [
        ("llm.chat", 10),
        ("llm.queue", 30),
        ("execute_tool light", 50),
        ("llm.chat", 10),
    ]


def test_time_that_no_span_tells_of_is_unexplained() -> None:
    path = critical_path(of_slices(100, [("asr.endpoint", 0, 40), ("llm.chat", 60, 20)]))
    assert lengths(path) == [("asr.endpoint", 40), (UNEXPLAINED, 20), ("llm.chat", 20), (UNEXPLAINED, 20)]
    assert explained(path) == pytest.approx(0.6)


def test_the_sentences_of_a_dropped_head_start_hide_none_of_the_reply_that_was_heard() -> None:
    def sentence(number: int, start_ms: float, duration_ms: float) -> Span:
        return Span("tts.synthesize", "tts", "", "root", start_ms, duration_ms, attributes={"parley.sentence": number})

    spans = (
        Span(ROOT, "gateway", "root", "", 0, 400),
        sentence(1, 50, 60),
        sentence(1, 200, 250),
        sentence(2, 300, 250),
        Span("llm.chat", "llm", "x", "root", 150, 300),
    )
    assert lengths(critical_path(spans)) == [(UNEXPLAINED, 150), ("llm.chat", 50), ("tts.synthesize", 200)]


def test_what_a_dropped_head_start_did_was_not_waited_for() -> None:
    def chat(start_ms: float, duration_ms: float, *, cancelled: bool) -> Span:
        known = {"parley.cancelled": True} if cancelled else {}
        return Span("llm.chat", "llm", "", "root", start_ms, duration_ms, attributes=known)

    spans = (
        Span(ROOT, "gateway", "root", "", 0, 600),
        Span("asr.endpoint", "gateway", "", "root", 0, 400),
        chat(250, 150, cancelled=True),
        chat(400, 300, cancelled=False),
        Span("tts.synthesize", "tts", "", "root", 500, 900, attributes={"parley.cancelled": True}),
    )
    assert lengths(critical_path(spans)) == [("asr.endpoint", 400), ("llm.chat", 100), ("tts.synthesize", 100)]


def test_a_sentence_that_broke_off_unnumbered_hides_none_that_was_heard() -> None:
    def sentence(number: int, start_ms: float, duration_ms: float, error: str = "") -> Span:
        known = {"parley.sentence": number}
        return Span("tts.synthesize", "tts", "", "root", start_ms, duration_ms, error, known)

    spans = (
        Span(ROOT, "gateway", "root", "", 0, 400),
        sentence(0, 300, 0, "EngineFailed"),
        sentence(1, 100, 400),
        sentence(2, 200, 400),
    )
    assert lengths(critical_path(spans)) == [(UNEXPLAINED, 100), ("tts.synthesize", 300)]


def test_the_silence_is_counted_once_by_the_gateway_s_clock() -> None:
    spans = (
        Span(ROOT, "gateway", "root", "", 0, 400),
        Span("asr.endpoint", "gateway", "", "root", 10, 390),
        Span("asr.end_of_turn", "asr", "", "root", 90, 400),
    )
    assert lengths(critical_path(spans)) == [(UNEXPLAINED, 10), ("asr.endpoint", 390)]
    assert lengths(critical_path((spans[0], spans[2]))) == [(UNEXPLAINED, 90), ("asr.end_of_turn", 310)]


def test_what_the_caller_of_a_turn_does_around_it_explains_nothing_of_it() -> None:
    spans = (
        Span("call centre", "caller", "1", "0", -1000, 5000),
        Span("its log", "caller", "2", "1", -1000, 5000),
        Span("elsewhere", "caller", "3", "", -1000, 5000),
        Span(ROOT, "gateway", "4", "1", 0, 100),
        Span("llm.chat", "llm", "5", "4", 0, 60),
    )
    assert root_of(spans) is spans[3]
    assert lengths(critical_path(spans)) == [("llm.chat", 60), (UNEXPLAINED, 40)]


def test_what_lost_its_parent_is_a_part_of_the_turn() -> None:
    spans = (
        Span(ROOT, "gateway", "root", "", 0, 100),
        Span("llm.chat", "llm", "a", "gone", 0, 60),
        Span("llm.queue", "llm", "b", "a", 0, 20),
    )
    assert lengths(critical_path(spans)) == [("llm.queue", 20), ("llm.chat", 40), (UNEXPLAINED, 40)]


def test_of_another_system_s_trace_the_longest_top_is_the_root() -> None:
    spans = (Span("b", id="2", parent="x", duration_ms=9), Span("a", id="1", duration_ms=10), Span("c", parent="1"))
    assert root_of(spans) is spans[1]
    assert root_of(()) is None


def test_self_time_is_what_no_part_covers_however_parts_overlap() -> None:
    spans = (
        Span("whole", id="1", start_ms=0, duration_ms=100),
        Span("part", id="2", parent="1", start_ms=10, duration_ms=40),
        Span("part", id="3", parent="1", start_ms=30, duration_ms=40),
        Span("beyond", id="4", parent="1", start_ms=90, duration_ms=40),
    )
    assert self_ms(spans) == (30, 40, 40, 40)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (critical_path(PLAIN), "Look first at asr.endpoint, 279 of 600 ms: "),
        (critical_path(of_slices(100, [("llm.queue", 10, 90)])), "Look first at llm.queue, 90 of 100 ms: the model"),
        (critical_path(of_slices(100, ())), "Look first at unexplained, 100 of 100 ms: no span"),
        (critical_path(of_slices(9, [("x", 0, 9)])), "Look first at x, 9 of 9 ms: Parley has no setting for it."),
        ((), "Nothing was waited for."),
    ],
)
def test_the_advice_is_one_sentence_on_what_was_waited_for_longest(path: tuple[Step, ...], said: str) -> None:
    told = advice(path)
    assert told.startswith(said)
    assert told.endswith(".")
    assert ". " not in told


def test_what_comes_in_pieces_is_added_up_before_it_is_compared() -> None:
    path = (Step("a", 0, 40), Step("b", 40, 90), Step("a", 90, 110))
    assert waited_ms(path) == {"a": 60, "b": 50}
    assert advice(path).startswith("Look first at a, 60 of 110 ms")


def test_every_setting_that_the_advice_names_is_one() -> None:
    options = {
        *(each.name for each in dataclasses.fields(SessionConfig)),
        *(f"endpointing.{each.name}" for each in dataclasses.fields(Endpointing)),
        *(f"turn_taking.{each.name}" for each in dataclasses.fields(TurnTaking)),
    }
    names = [*(span.name for span in (*PLAIN, *HEAD_START)), UNEXPLAINED, "execute_tool light", "llm.queue", "other"]
    for name in names:
        told = _bottlenecks.bottleneck(name)
        assert set(re.findall(r"PARLEY_[A-Z_]+", told)) <= KNOWN
        assert set(re.findall(r"[a-z_]+\.[a-z_]+_[a-z_]+", told)) <= options


def test_every_stage_of_a_turn_has_advice_of_its_own() -> None:
    names = {span.name for span in (*PLAIN, *HEAD_START)} - {ROOT}
    assert len({_bottlenecks.bottleneck(name) for name in names}) == len(names)


# A busy machine is slow, and nothing is wrong.
at_any_speed = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
_TIMES = st.floats(-1e4, 1e4)
_NAMES = st.sampled_from(sorted({span.name for span in PLAIN} | {"execute_tool light", "other", ""}))
_IDS = st.sampled_from(["", "1", "2", "3", "4", "5"])
_ANY = st.floats() | _TIMES
_garbage = st.lists(
    st.builds(
        Span,
        _NAMES,
        st.just("x"),
        _IDS,
        _IDS,
        _ANY,
        _ANY,
        attributes=st.dictionaries(st.just("parley.sentence"), st.integers() | st.text() | _ANY, max_size=1),
    ),
    max_size=12,
)
_slices = st.lists(st.tuples(_NAMES.filter(lambda name: name != ROOT), _TIMES, st.floats(0, 1e4)), max_size=12)


@at_any_speed
@given(_garbage)
def test_whatever_the_spans_are_the_path_leads_from_the_root_s_begin_to_its_end(spans: list[Span]) -> None:
    path = critical_path(spans)
    root = root_of(spans)
    assert all(step.start_ms < step.end_ms for step in path)
    assert all(before.end_ms == after.start_ms for before, after in pairwise(path))
    assert all(before.name != after.name for before, after in pairwise(path))
    if root is None or root.end_ms <= root.start_ms:
        assert path == ()
    else:
        assert (path[0].start_ms, path[-1].end_ms) == (root.start_ms, root.end_ms)
    assert 0 <= explained(path) <= 1
    assert advice(path)
    times = self_ms(spans)
    assert all(math.isfinite(time) and time >= 0 for time in times)
    assert all(time <= span.duration_ms for time, span in zip(times, spans, strict=True) if time)


@at_any_speed
@given(st.floats(0.1, 1e4), _slices)
def test_no_time_is_explained_in_which_nothing_was_done(
    total_ms: float, slices: list[tuple[str, float, float]]
) -> None:
    for step in critical_path(of_slices(total_ms, slices)):
        if step.name == UNEXPLAINED:
            continue
        spans = [(start, start + length) for name, start, length in slices if name == step.name]
        assert any(start <= step.end_ms and end >= step.start_ms for start, end in spans)


@at_any_speed
@given(st.lists(st.floats(0, 1), max_size=12))
def test_where_parts_come_one_after_the_other_self_times_are_the_whole(shares: list[float]) -> None:
    spans = [Span(ROOT, id="0", duration_ms=100)]
    for place, share in enumerate(shares):
        whole = spans[place]
        cut_ms = whole.duration_ms * share
        spans += [
            Span("part", "", f"{whole.id}1", whole.id, whole.start_ms, cut_ms),
            Span("part", "", f"{whole.id}2", whole.id, whole.start_ms + cut_ms, (whole.duration_ms - cut_ms) / 2),
        ]
    assert sum(self_ms(spans)) == pytest.approx(100)


def test_the_module_needs_no_order_of_its_spans() -> None:
    for spans in (PLAIN, HEAD_START):
        assert critical_path(tuple(reversed(spans))) == critical_path(spans)


def test_a_slice_is_of_the_process_that_it_tells_of() -> None:
    told = {span.name.split(".", maxsplit=1)[0]: span.service for span in PLAIN}
    assert told == {**{name: name for name in ("client", "gateway", "asr", "llm", "tts")}, "parley": "gateway"}
