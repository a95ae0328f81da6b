"""Where the time of a turn went, and that no client can put impossible times there."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_gateway.latency.timeline import (
    ReplyTimes,
    Sentence,
    Slice,
    TurnTimeline,
    UtteranceTimes,
    covered,
    explained,
    slices,
)

MS = 1_000_000
START = 1_700_000_000_000 * MS


def at(milliseconds: float) -> int:
    return START + round(milliseconds * MS)


def spoken_turn() -> TurnTimeline:
    said = UtteranceTimes(
        began_ns=at(-900),
        speech_end_ns=at(0),
        received_ns=at(25),
        uplink_ns=2 * MS,
        decoded_ns=at(40),
        ended_ns=at(420),
        final_ns=60 * MS,
        transcribe_ns=55 * MS,
    )
    reply = ReplyTimes(
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
    return TurnTimeline(said, reply)


def by_name(timeline: TurnTimeline) -> dict[str, Slice]:
    return {span.name: span for span in slices(timeline)}


def test_a_spoken_turn_is_explained_from_the_microphone_to_the_loudspeaker() -> None:
    timeline = spoken_turn()
    assert [span.name for span in slices(timeline)][:5] == [
        "client.capture",
        "client.uplink",
        "gateway.decode",
        "asr.endpoint",
        "asr.transcribe",
    ]
    assert timeline.mic_to_speaker_ms == 520
    assert explained(timeline) > 0.99


def test_the_engines_work_ends_with_the_words_and_is_as_long_as_the_server_says() -> None:
    spans = by_name(spoken_turn())
    assert spans["asr.endpoint"].end_ns == at(360)
    assert spans["asr.transcribe"].end_ns == at(420)
    assert spans["asr.transcribe"].end_ns - spans["asr.transcribe"].start_ns == 55 * MS


def test_words_that_were_known_before_the_decision_stand_where_they_were_made() -> None:
    timeline = spoken_turn()
    timeline.utterance.final_ns, timeline.utterance.known_ns = 0, 100 * MS
    assert by_name(timeline)["asr.transcribe"].end_ns == at(320)


def test_a_head_start_moves_the_work_into_the_silence() -> None:
    timeline = spoken_turn()
    said, reply = timeline.utterance, timeline.reply
    said.known_ns, said.final_ns, reply.head_start = 160 * MS, 0, True
    reply.asked_ns, reply.first_token_ns, reply.text_end_ns, reply.first_audio_ns = at(261), at(264), at(270), at(268)
    reply.sentences = [Sentence(at(265), at(268))]
    spans = by_name(timeline)
    assert spans["asr.transcribe"].end_ns == at(260)
    assert spans["llm.chat"].end_ns < spans["asr.endpoint"].end_ns
    assert spans["gateway.encode"].start_ns == at(421)


def test_a_client_that_reports_nothing_hears_what_was_sent() -> None:
    timeline = spoken_turn()
    reply = timeline.reply
    reply.arrived_ns = reply.rendered_ns = reply.audible_ns = 0
    assert timeline.mic_to_speaker_ms == 430
    assert not [span for span in slices(timeline) if span.name.startswith("client.down")]


def test_typed_words_have_no_way_from_a_microphone() -> None:
    timeline = spoken_turn()
    timeline.utterance = UtteranceTimes(began_ns=at(421), speech_end_ns=at(421))
    names = [span.name for span in slices(timeline)]
    assert names[:2] == ["gateway.decide", "llm.chat"]
    assert not {"client.capture", "client.uplink", "gateway.decode", "asr.endpoint", "asr.transcribe"} & set(names)
    assert timeline.mic_to_speaker_ms == 99


def test_a_turn_without_a_reply_has_no_latency() -> None:
    timeline = spoken_turn()
    reply = timeline.reply
    reply.first_sent_ns = reply.arrived_ns = reply.rendered_ns = reply.audible_ns = 0
    assert timeline.mic_to_speaker_ms is None
    assert timeline.ends_ns == 0
    assert explained(timeline) == 0


def test_a_reply_that_could_be_heard_before_the_speech_was_over_has_no_latency() -> None:
    timeline = spoken_turn()
    timeline.utterance.speech_end_ns = at(600)
    assert timeline.mic_to_speaker_ms is None
    assert explained(timeline) == 0


@pytest.mark.parametrize(
    ("said", "reply", "begins_ns"),
    [
        pytest.param(UtteranceTimes(began_ns=at(-900), speech_end_ns=at(0)), ReplyTimes(), at(0), id="it was ended"),
        pytest.param(UtteranceTimes(began_ns=at(-900)), ReplyTimes(asked_ns=at(-50)), at(-900), id="the listener left"),
        pytest.param(UtteranceTimes(), ReplyTimes(asked_ns=at(-50)), at(-50), id="only the reply is known"),
    ],
)
def test_the_waterfall_begins_with_the_first_that_is_known_of_a_turn(
    said: UtteranceTimes, reply: ReplyTimes, begins_ns: int
) -> None:
    assert TurnTimeline(said, reply).begins_ns == begins_ns


UNCERTAINTY = 4 * MS
SLACK = 5 * MS
NOW = at(600)
SENT = at(430)


def played_by(*marks_ns: int) -> tuple[int, int, int]:
    """What a reply that was sent takes of its client's marks."""
    times = ReplyTimes(first_sent_ns=SENT)
    arrived, rendered, audible = marks_ns
    times.played_by((arrived, rendered, audible), NOW, UNCERTAINTY)
    return times.arrived_ns, times.rendered_ns, times.audible_ns


@pytest.mark.parametrize(
    ("said", "taken"),
    [
        pytest.param((at(432), at(492), at(520)), (at(432), at(492), at(520)), id="as it should be"),
        pytest.param((at(432), at(492), NOW + 2_000 * MS), (at(432), at(492), NOW + 2_000 * MS), id="a slow output"),
        pytest.param((at(432), at(492), NOW + 2_001 * MS), (at(432), at(492), 0), id="longer than any output"),
        pytest.param((SENT - 9 * MS, at(492), at(520)), (SENT, at(492), at(520)), id="within what clocks may err"),
        pytest.param((SENT - 10 * MS, at(492), at(520)), (0, at(492), at(520)), id="before it was sent"),
        pytest.param((at(432), at(428), at(520)), (at(432), at(432), at(520)), id="rendered a little too early"),
        pytest.param((at(492), at(432), at(520)), (at(492), 0, at(520)), id="rendered long before it came"),
        pytest.param((0, 0, at(520)), (0, 0, at(520)), id="only when it could be heard"),
        pytest.param((at(432), 0, 0), (at(432), 0, 0), id="not heard yet"),
        pytest.param((-1, -(2**63) * 1_000, (2**63 - 1) * 1_000), (0, 0, 0), id="no times at all"),
    ],
)
def test_of_a_clients_times_what_cannot_be_is_left_out(said: tuple[int, int, int], taken: tuple[int, int, int]) -> None:
    assert played_by(*said) == taken


def test_nothing_is_played_of_what_was_not_sent() -> None:
    times = ReplyTimes()
    times.played_by((at(432), at(492), at(520)), NOW, UNCERTAINTY)
    assert times == ReplyTimes()


ANY_NS = st.one_of(
    st.integers(-(2**73), 2**73),
    st.integers(SENT - 100 * MS, NOW + 3_000 * MS),
    st.sampled_from([0, -1, 1, SENT, NOW, 2**63 - 1]),
)


@given(marks_ns=st.tuples(ANY_NS, ANY_NS, ANY_NS), uncertainty_ns=st.integers(0, 60_000 * MS))
def test_whatever_a_client_says_its_spans_follow_one_another_after_the_sending(
    marks_ns: tuple[int, int, int], uncertainty_ns: int
) -> None:
    timeline = spoken_turn()
    reply = timeline.reply
    reply.played_by(marks_ns, NOW, uncertainty_ns)
    taken = [each for each in (reply.arrived_ns, reply.rendered_ns, reply.audible_ns) if each]
    assert all(SENT <= each <= NOW + 2_000 * MS for each in taken)
    assert all(earlier <= later for earlier, later in pairwise(taken))
    assert timeline.mic_to_speaker_ms is not None
    assert 430 <= timeline.mic_to_speaker_ms <= 2_600
    assert 0 <= explained(timeline) <= 1


SPANS = st.lists(
    st.tuples(st.integers(-50, 150), st.integers(0, 100)).map(
        lambda pair: Slice("x", START + pair[0], START + pair[0] + pair[1])
    ),
    max_size=8,
)


@given(SPANS)
def test_what_is_covered_is_the_union_of_the_spans(spans: list[Slice]) -> None:
    points = {point for span in spans for point in range(span.start_ns, span.end_ns)}
    inside = points & set(range(START, START + 100))
    assert covered(tuple(spans), START, START + 100) == len(inside) / 100


def test_of_no_time_nothing_is_covered() -> None:
    assert covered((Slice("x", START, START + 5),), START + 3, START + 3) == 0
