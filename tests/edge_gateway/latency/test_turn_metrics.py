"""Whatever a client's clock says, no impossible time reaches the page, the trace or a histogram."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.exposition import generate_latest

import serving.telemetry
from edge_gateway.audio.codecs import PcmEncoder
from edge_gateway.idle_callbacks import IdleCallbacks
from edge_gateway.input.replay_buffer import HeardPacket
from edge_gateway.latency.client_clock import ClientClock
from edge_gateway.latency.client_marks import ClientMarks
from edge_gateway.latency.turn_metrics import TurnMetrics
from edge_gateway.reply.reply import Brief, Failure, Reply, Servers
from edge_gateway.reply.tool_calls import CallLedger
from edge_gateway.spoken_turns import SpokenTurns
from edge_gateway.turn import GREETING, Turn
from parley import asr, tts
from parley.conversation import ClientMark, MarkKind, Outcome, TurnReport, TurnTimes
from parley.errors import DeadlinePassed
from serving.telemetry import SpanIdentity, Telemetry, clock_ns, new_provider
from tests.edge_gateway.in_memory import Connection, ScriptedLlm, ScriptedTts, says
from tests.virtual_time import run

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

MS = 1_000_000
SECOND = 1_000 * MS
US_PER_MS = 1_000
END = asr.EndOfTurn(
    turn=1,
    text="what time is it",
    first_sample=0,
    end_sample=9_000,
    speech_end_sample=160,
    reason=asr.EndReason.SILENCE,
    timings=asr.Timings(330, queue_ms=1, transcribe_ms=5, final_ms=2, eager=True),
    voiced_ms=800,
)


class Operator:
    """Sees the spans and metrics of a gateway."""

    def __init__(self) -> None:
        self.registry, provider, self._spans = CollectorRegistry(), new_provider("gateway"), InMemorySpanExporter()
        provider.add_span_processor(SimpleSpanProcessor(self._spans))
        self.metrics = TurnMetrics(Telemetry(provider, self.registry))

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        return self._spans.get_finished_spans()

    @property
    def root(self) -> ReadableSpan:
        [root] = [span for span in self.spans if span.name == "parley.turn"]
        return root

    def led_to(self, trace_id: str) -> set[str]:
        """Names of the metrics that have this trace as an exemplar."""
        page = generate_latest(self.registry).decode()  # type: ignore[no-untyped-call]  # theirs has no types
        return {line.partition("{")[0] for line in page.splitlines() if trace_id in line}

    def sample(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0


@dataclass(frozen=True)
class Client:
    """What a client says of its clock, in microseconds; of exchanges when a ping came and its pong went."""

    exchanges: tuple[tuple[int, int], ...] = ()
    captured_us: int = 0
    arrived_us: int = 0
    rendered_us: int = 0
    audible_us: int = 0
    ducked_us: int = 0


def reply_of(turn: Turn) -> Reply:
    """A reply of which the first packet went this moment."""
    servers = Servers(ScriptedLlm(says("It is late.")), ScriptedTts())
    reply = Reply(
        Brief(1, turn.number, None, tts.Config()), servers, Connection(), PcmEncoder, CallLedger(), idle=IdleCallbacks()
    )
    turn.answer(reply)
    now = clock_ns()
    times = reply.times
    times.asked_ns, times.first_token_ns, times.released_ns = now - 4 * MS, now - 3 * MS, now - 2 * MS
    times.text_end_ns = times.first_audio_ns = now - 1 * MS
    times.first_sent_ns = now
    return reply


async def one_turn(operator: Operator, client: Client) -> tuple[TurnTimes | None, TurnReport]:
    """A spoken turn of that client, from its voice to the first sound of its reply."""
    clock = ClientClock()
    for received_us, answered_us in client.exchanges:
        at_us = clock_ns() // 1_000
        clock.exchange(at_us - 8 * US_PER_MS, received_us, answered_us, at_us)
    spoken, marks = SpokenTurns(Connection(), operator.metrics, clock), ClientMarks(clock)
    received_ns = clock_ns() - 400 * MS
    packet = HeardPacket(0, 320, 0, b"x", client.captured_us, received_ns, received_ns + MS)
    await spoken.follow(asr.VoiceOnset(1, 0), packet)
    await spoken.follow(asr.SpeechStarted(1, 0, 200), None)
    turn = spoken.ended(END, packet)
    spoken.settle(END, turn, ignored=False)
    reply_of(turn)
    for kind, at_us in (
        (MarkKind.FIRST_PACKET, client.arrived_us),
        (MarkKind.FIRST_RENDERED, client.rendered_us),
        (MarkKind.FIRST_AUDIBLE, client.audible_us),
        (MarkKind.DUCKED, client.ducked_us),
    ):
        spoken.barge_in(ClientMark(kind, 1, at_us), turn)
        marks.take(turn, ClientMark(kind, 1, at_us))
    times = operator.metrics.times(turn, clock)
    turn.end(Outcome.COMPLETED)
    return times, operator.metrics.turn("session", turn, "It is late.", clock, None)


def healthy(ahead_us: int) -> Client:
    """A client that says what is true, on a clock of its own."""
    now_us = clock_ns() // 1_000 + ahead_us
    return Client(
        ((now_us - 4 * US_PER_MS, now_us - 4 * US_PER_MS),),
        captured_us=now_us - 430 * US_PER_MS,
        arrived_us=now_us + 3 * US_PER_MS,
        rendered_us=now_us + 60 * US_PER_MS,
        audible_us=now_us + 80 * US_PER_MS,
        ducked_us=now_us - 300 * US_PER_MS,
    )


@pytest.mark.parametrize("ahead_us", [0, 3_600 * 1_000_000, -3_600 * 1_000_000])
def test_a_turn_is_told_from_the_microphone_to_the_loudspeaker(ahead_us: int) -> None:
    operator = Operator()
    times, report = run(one_turn(operator, healthy(ahead_us)))
    assert times is not None
    assert times.mic_to_speaker_ms == report.mic_to_speaker_ms == pytest.approx(500, abs=50)
    assert times.waterfall == report.waterfall
    assert {"client.capture", "client.jitter_buffer", "client.playout"} <= {each.name for each in report.waterfall}
    assert operator.sample("parley_turn_mic_to_speaker_seconds_sum") == pytest.approx(0.5, abs=0.05)
    assert operator.sample("parley_barge_in_duck_seconds_sum") == pytest.approx(0.13, abs=0.05)
    assert operator.sample("parley_turns_total", outcome="completed") == 1
    ends = max(span.end_time or 0 for span in operator.spans if span.name == "client.playout")
    assert ends == operator.root.end_time


PER_TURN = {
    "parley_turn_mic_to_speaker_seconds_bucket",
    "parley_endpointing_seconds_bucket",
    "parley_endpointing_beyond_need_seconds_bucket",
    "parley_asr_final_seconds_bucket",
    "parley_llm_ttft_seconds_bucket",
    "parley_tts_ttfa_seconds_bucket",
    "parley_barge_in_duck_seconds_bucket",
}


def test_every_histogram_of_a_turn_leads_to_its_trace() -> None:
    operator = Operator()
    _, report = run(one_turn(operator, healthy(0)))
    assert operator.led_to(report.trace_id) == PER_TURN


@pytest.mark.parametrize("sampler", ["always_off", "parentbased_always_off"])
def test_no_histogram_leads_to_a_trace_that_is_not_sampled(sampler: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", sampler)
    serving.telemetry._sampler.cache_clear()  # noqa: SLF001 - a process reads its variables once
    try:
        operator = Operator()
        _, report = run(one_turn(operator, healthy(0)))
    finally:
        serving.telemetry._sampler.cache_clear()  # noqa: SLF001 - as above
    assert operator.sample("parley_turn_mic_to_speaker_seconds_count") == 1
    assert operator.led_to(report.trace_id) == set()


def test_the_trace_has_the_wait_for_a_message_that_the_asr_server_cannot_see() -> None:
    operator = Operator()
    _, report = run(one_turn(operator, healthy(0)))
    [decode] = [span for span in operator.spans if span.name == "gateway.decode"]
    [endpoint] = [span for span in operator.spans if span.name == "asr.endpoint"]
    assert endpoint.start_time == decode.end_time
    assert endpoint.start_time is not None
    assert endpoint.end_time is not None
    [told] = [each for each in report.waterfall if each.name == "asr.endpoint"]
    assert (endpoint.end_time - endpoint.start_time) / 1e6 == pytest.approx(told.duration_ms, abs=0.01)


def test_the_spans_of_a_turn_are_the_children_of_a_root_that_was_promised_to_the_servers() -> None:
    operator, previous = Operator(), SpanIdentity.new()
    turn = Turn.written(1, "hello")
    reply_of(turn)
    turn.end(Outcome.COMPLETED)
    report = operator.metrics.turn("session", turn, "It is late.", ClientClock(), previous)
    root = operator.root
    assert (root.context.trace_id, root.context.span_id) == (turn.identity.trace_id, turn.identity.span_id)
    assert [link.context.span_id for link in root.links] == [previous.span_id]
    assert report.trace_id == turn.identity.trace_id_hex
    children = [span for span in operator.spans if span is not root]
    assert children
    assert {span.parent.span_id for span in children if span.parent} == {turn.identity.span_id}
    assert all(span.name.startswith(("client.", "gateway.")) for span in children)


def test_a_greeting_that_was_heard_before_the_first_pong_has_no_time_of_its_client() -> None:
    operator, clock = Operator(), ClientClock()
    marks, turn = ClientMarks(clock), Turn.written(GREETING, "Hello.")
    reply_of(turn)
    assert not marks.take(turn, ClientMark(MarkKind.FIRST_AUDIBLE, 1, clock_ns() // 1_000 + 3_600 * 1_000_000))
    turn.end(Outcome.COMPLETED)
    report = operator.metrics.turn("session", turn, "Hello.", clock, None)
    assert report.mic_to_speaker_ms is not None
    assert 0 <= report.mic_to_speaker_ms < 5_000
    assert not [each for each in report.waterfall if each.name.startswith("client.")]


def test_a_turn_whose_listener_left_before_its_end_has_a_root_and_is_counted() -> None:
    operator, turn = Operator(), Turn(3)
    turn.timeline.utterance.began_ns = clock_ns() - SECOND
    turn.end(Outcome.LISTENER_LEFT)
    report = operator.metrics.turn("session", turn, "", ClientClock(), None)
    assert operator.root.start_time == operator.root.end_time == turn.timeline.utterance.began_ns
    assert operator.sample("parley_turns_total", outcome="listener_left") == 1
    assert (report.reply, report.mic_to_speaker_ms, report.waterfall) == (0, None, ())
    assert operator.sample("parley_turn_mic_to_speaker_seconds_count") == 0


def test_a_failure_is_counted_for_the_server_at_fault() -> None:
    operator, turn = Operator(), Turn.written(1, "hello")
    reply_of(turn).failures.append(Failure("tts", DeadlinePassed("no sound")))
    turn.end(Outcome.FAILED)
    operator.metrics.turn("session", turn, "", ClientClock(), None)
    assert operator.sample("parley_hop_failures_total", hop="tts") == 1


ANY_TIME = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.sampled_from([-(2**63), -1, 0, 1, 2**62, 2**63 - 1]),
    # Near the truth too, which is where a mistake would go unnoticed.
    st.integers(-20_000_000, 20_000_000).map(lambda off_us: clock_ns() // 1_000 + off_us),
)
ANY_CLIENT = st.builds(
    Client,
    exchanges=st.lists(st.tuples(ANY_TIME, ANY_TIME) | ANY_TIME.map(lambda at: (at, at)), max_size=3).map(tuple),
    captured_us=ANY_TIME,
    arrived_us=ANY_TIME,
    rendered_us=ANY_TIME,
    audible_us=ANY_TIME,
    ducked_us=ANY_TIME,
)


@given(client=ANY_CLIENT)
@settings(max_examples=200, deadline=None)
def test_whatever_a_client_says_every_time_is_possible_and_can_be_exported(client: Client) -> None:
    operator = Operator()
    began_ns = clock_ns()
    times, report = run(one_turn(operator, client))
    # Sound is on its way for ten seconds at most, and in an output for two.
    earliest_ns, latest_ns = began_ns - 11 * SECOND, clock_ns() + 2 * SECOND
    for span in operator.spans:
        moments = [span.start_time, span.end_time, *(event.timestamp for event in span.events)]
        assert all(moment is not None and earliest_ns <= moment <= latest_ns for moment in moments), span.name
    assert encode_spans(operator.spans).resource_spans
    assert report.mic_to_speaker_ms is not None
    assert 0 <= report.mic_to_speaker_ms <= 13_000
    assert times is not None
    assert 0 <= times.mic_to_speaker_ms <= 13_000
    for each in (*times.waterfall, *report.waterfall):
        assert 0 <= each.start_ms <= 13_000
        assert 0 <= each.duration_ms <= 13_000
    for name, bound_seconds in (("parley_turn_mic_to_speaker_seconds", 13), ("parley_barge_in_duck_seconds", 10)):
        assert 0 <= operator.sample(f"{name}_sum") <= bound_seconds
    assert 0 <= report.explained <= 1


def test_a_time_that_cannot_be_is_brought_to_one_that_can_before_it_is_exported() -> None:
    operator = Operator()
    turn = Turn.written(1, "hello")
    reply_of(turn).times.audible_ns = (2**63 - 1) * 1_000
    turn.end(Outcome.COMPLETED)
    operator.metrics.turn("session", turn, "", ClientClock(), None)
    assert encode_spans(operator.spans).resource_spans
    assert (operator.root.attributes or {})["parley.clock_clamped"] is True
