"""Where the time of a turn went."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge_gateway.latency.timeline import Marks, Sentence, Slice, end_ns, explained, mic_to_speaker_ms, slices

MS = 1_000_000
START = 1_700_000_000_000 * MS


def at(milliseconds: float) -> int:
    return START + round(milliseconds * MS)


def spoken_turn() -> Marks:
    return Marks(
        speech_end_ns=at(0),
        received_ns=at(25),
        uplink_ns=2 * MS,
        forwarded_ns=at(40),
        ended_ns=at(420),
        final_ns=60 * MS,
        transcribe_ns=55 * MS,
        released_ns=at(421),
        asked_ns=at(421),
        first_token_ns=at(424),
        text_end_ns=at(430),
        first_audio_ns=at(429),
        first_sent_ns=at(430),
        arrived_ns=at(432),
        rendered_ns=at(492),
        audible_ns=at(520),
        sentences=[Sentence(at(425), at(429))],
    )


def test_a_spoken_turn_is_explained_from_the_microphone_to_the_loudspeaker() -> None:
    marks = spoken_turn()
    spans = slices(marks)
    assert [span.name for span in spans][:5] == [
        "client.capture",
        "client.uplink",
        "gateway.decode",
        "asr.endpoint",
        "asr.transcribe",
    ]
    assert mic_to_speaker_ms(marks) == 520
    assert explained(spans, marks.speech_end_ns, end_ns(marks)) > 0.99


def test_the_engines_work_ends_with_the_words_and_is_as_long_as_the_server_says() -> None:
    spans = {span.name: span for span in slices(spoken_turn())}
    assert spans["asr.endpoint"].end_ns == at(360)
    assert spans["asr.transcribe"].end_ns == at(420)
    assert spans["asr.transcribe"].end_ns - spans["asr.transcribe"].start_ns == spoken_turn().transcribe_ns


def test_words_that_were_known_before_the_decision_stand_where_they_were_made() -> None:
    marks = spoken_turn()
    marks.final_ns, marks.known_ns = 0, 100 * MS
    spans = {span.name: span for span in slices(marks)}
    assert spans["asr.transcribe"].end_ns == at(320)


def test_a_head_start_moves_the_work_into_the_silence() -> None:
    marks = spoken_turn()
    marks.known_ns, marks.final_ns, marks.head_start = 160 * MS, 0, True
    marks.asked_ns, marks.first_token_ns, marks.text_end_ns, marks.first_audio_ns = at(261), at(264), at(270), at(268)
    marks.sentences = [Sentence(at(265), at(268))]
    spans = {span.name: span for span in slices(marks)}
    assert spans["asr.transcribe"].end_ns == at(260)
    assert spans["llm.chat"].end_ns < spans["asr.endpoint"].end_ns
    assert spans["gateway.encode"].start_ns == at(421)


def test_a_client_that_reports_nothing_hears_what_was_sent() -> None:
    marks = spoken_turn()
    marks.arrived_ns = marks.rendered_ns = marks.audible_ns = 0
    assert mic_to_speaker_ms(marks) == 430
    assert not [span for span in slices(marks) if span.name.startswith("client.down")]


def test_a_turn_without_a_reply_has_no_latency() -> None:
    marks = spoken_turn()
    marks.first_sent_ns = marks.arrived_ns = marks.rendered_ns = marks.audible_ns = 0
    assert mic_to_speaker_ms(marks) is None


SPANS = st.lists(
    st.tuples(st.integers(-50, 150), st.integers(0, 100)).map(
        lambda pair: Slice("x", START + pair[0], START + pair[0] + pair[1])
    ),
    max_size=8,
)


@given(SPANS)
def test_what_is_explained_is_the_union_of_the_spans(spans: list[Slice]) -> None:
    covered = {point for span in spans for point in range(span.start_ns, span.end_ns)}
    inside = covered & set(range(START, START + 100))
    assert explained(tuple(spans), START, START + 100) == len(inside) / 100
