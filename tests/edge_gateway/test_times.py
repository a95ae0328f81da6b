"""Times that cannot be reach nobody, not the page, the trace or a histogram, whatever a client says of its clock."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import aiohttp
import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

from parley import asr
from parley.conversation import (
    AssistantActivity,
    ClientMark,
    MarkKind,
    Outcome,
    Ping,
    Played,
    Pong,
    ReplyStarted,
    SessionConfig,
    SessionReady,
    TurnReport,
    TurnTimes,
    UserSpeechStarted,
    UserText,
    UserUtterance,
)
from tests.edge_gateway.program import TRANSPORTS, joined
from tests.edge_gateway.rig import SILENCE, Gateway, Listener, Script, Writer, connected, house, listening, unix_us

if TYPE_CHECKING:
    from collections.abc import Callable

LONG = "Once upon a time there was a very long story. It went on and on. And then it went on some more until the end."
PLAYBACK = (MarkKind.FIRST_PACKET, MarkKind.FIRST_RENDERED, MarkKind.FIRST_AUDIBLE)
HOUR_US: Final = 3_600_000_000
LARGEST, SMALLEST = 2**63 - 1, -(2**63)
# What an output may be late by, as far as a client is believed.
OUTPUT_SECONDS: Final = 2.0


@dataclass
class Watch:
    """Knows how long a test has taken, which is the longest that anything in it can have."""

    began: float = field(default_factory=time.time)

    @property
    def longest_ms(self) -> float:
        return (time.time() - self.began + OUTPUT_SECONDS) * 1000

    def believe(self, told: TurnReport | TurnTimes) -> None:
        """See that what a listener is told can be."""
        if told.mic_to_speaker_ms is not None:
            assert 0 <= told.mic_to_speaker_ms <= self.longest_ms
        for each in told.waterfall:
            assert 0 <= each.duration_ms <= self.longest_ms, each
            assert -self.longest_ms <= each.start_ms <= self.longest_ms, each
        assert 0 <= told.clock_uncertainty_ms <= self.longest_ms
        assert 0 <= told.explained <= 1

    def believe_all(self, gateway: Gateway, listener: Listener) -> None:
        """See that everything that was told can be: to the listener, to the trace, to the histograms."""
        for event in listener.events:
            if isinstance(event, TurnReport | TurnTimes):
                self.believe(event)
        for span in gateway.spans.get_finished_spans():
            assert span.start_time is not None
            assert span.end_time is not None
            assert self.began * 1e9 - 1e9 <= span.start_time <= span.end_time, span.name
            assert span.end_time <= (time.time() + OUTPUT_SECONDS) * 1e9, span.name
        assert encode_spans(gateway.spans.get_finished_spans()).resource_spans
        for family in gateway.telemetry.registry.collect():
            for sample in family.samples:
                if sample.name.endswith("_seconds_sum"):
                    count = gateway.telemetry.registry.get_sample_value(sample.name.removesuffix("sum") + "count") or 0
                    assert 0 <= sample.value <= count * self.longest_ms / 1000, sample


def ahead(microseconds: int) -> Callable[[], int]:
    """A clock that is so far ahead of the gateway's."""
    return lambda: unix_us() + microseconds


async def marked(listener: Listener, reply: int, *unix_us: int) -> None:
    """Say when a reply arrived, was rendered and could be heard."""
    for kind, at_us in zip(PLAYBACK, unix_us, strict=True):
        await listener.send(ClientMark(kind, reply, at_us))


@pytest.mark.parametrize("ahead_us", [0, HOUR_US, -HOUR_US, 300_000, -300_000])
@pytest.mark.parametrize("answers_pings", [True, False])
async def test_a_greeting_is_heard_before_the_first_ping_is_answered(ahead_us: int, answers_pings: bool) -> None:  # noqa: FBT001 - pytest names it
    watch = Watch()
    async with house() as parley, connected(parley) as listener:
        listener.clock_us, listener.answers_pings = ahead(ahead_us), False
        await listener.send(SessionConfig(greeting="Hello there, and welcome."))
        reply = await listener.until(ReplyStarted)
        now_us, heard_at = listener.clock_us(), time.time()
        await marked(listener, reply.reply, now_us, now_us + 1_000, now_us + 2_000)
        if answers_pings:
            # The clock is known from now on, and so is what was said before.
            listener.answers_pings = True
            for ping in [event for event in listener.events if isinstance(event, Ping)]:
                await listener.send(Pong(ping.id, listener.clock_us(), listener.clock_us()))
            await listener.until(TurnTimes)
        report = await listener.until(TurnReport)
        watch.believe_all(parley, listener)
    assert (report.turn, report.outcome) == (0, Outcome.COMPLETED)
    assert report.mic_to_speaker_ms is not None
    assert report.mic_to_speaker_ms <= (heard_at - watch.began) * 1000 + 50


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_words_that_are_typed_during_a_head_start_have_times_of_their_own(transport: str) -> None:
    watch = Watch()
    async with house() as parley, joined(parley, transport) as listener:
        await listener.speak(0.2, SILENCE)
        await listener.speak(0.8)
        await listener.speak(0.4, SILENCE)
        while not parley.script.writer.asked:
            await asyncio.sleep(0)
        await listener.send(UserText("never mind, hello"))
        typed = await listener.until(TurnReport)
        await listener.speak(0.8)
        await listener.speak(1.4, SILENCE)
        spoken = await listener.until(TurnReport)
        watch.believe_all(parley, listener)
    assert (typed.transcript, typed.head_start) == ("never mind, hello", False)
    assert not {each.name for each in typed.waterfall} & {"client.capture", "client.uplink", "asr.endpoint"}
    assert spoken.transcript == "what time is it"
    assert {each.name for each in spoken.waterfall} >= {"client.capture", "client.uplink", "asr.endpoint"}


@pytest.mark.parametrize("jump_us", [HOUR_US, -HOUR_US, 300_000, -300_000])
async def test_a_clock_that_jumps_makes_no_impossible_times(jump_us: int) -> None:
    watch = Watch()
    async with house() as parley, listening(parley) as listener:
        for turn in range(1, 5):
            await listener.say_something()
            reply = await listener.until(ReplyStarted)
            if turn % 2:
                listener.clock_us = ahead(jump_us * turn)
            now_us = listener.clock_us()
            await marked(listener, reply.reply, now_us, now_us + 1_000, now_us + 2_000)
            report = await listener.until(TurnReport)
            assert (report.turn, report.outcome) == (turn, Outcome.COMPLETED)
        watch.believe_all(parley, listener)


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("at_us", [0, 1, -1, LARGEST, SMALLEST, LARGEST // 1_000, LARGEST - 1])
async def test_marks_that_are_no_times_are_left_out(at_us: int, transport: str) -> None:
    watch = Watch()
    async with house() as parley, joined(parley, transport) as listener:
        await listener.send(UserText("what time is it"))
        reply = await listener.until(ReplyStarted)
        for kind in MarkKind:
            await listener.send(ClientMark(kind, reply.reply, at_us))
        await listener.send(Played(reply.reply, 480, at_us, final=True))
        await listener.send(Pong(1, at_us, at_us))
        report = await listener.until(TurnReport)
        watch.believe_all(parley, listener)
        text = await metrics(parley)
    assert report.outcome is Outcome.COMPLETED
    assert not {each.name for each in report.waterfall} & {"client.downlink", "client.jitter_buffer", "client.playout"}
    assert "NaN" not in text


async def test_the_clock_of_a_client_that_answers_no_ping_is_not_believed() -> None:
    watch = Watch()
    async with house() as parley, connected(parley) as listener:
        listener.clock_us, listener.answers_pings = ahead(-400_000), False
        await listener.send(SessionConfig())
        await listener.until(SessionReady)
        began = time.time()
        await listener.say_something()
        await listener.until(ReplyStarted)
        most_ms = (time.time() - began) * 1000
        report = await listener.until(TurnReport)
        watch.believe_all(parley, listener)
    assert report.mic_to_speaker_ms is not None
    # What is sent faster than time was captured a few packets before it came.
    assert report.mic_to_speaker_ms <= most_ms + 200


@pytest.mark.parametrize("at_us", [-1, LARGEST, SMALLEST])
async def test_sound_with_capture_times_that_are_none_is_heard(at_us: int) -> None:
    watch = Watch()
    async with house() as parley, listening(parley) as listener:
        # Its pings are answered with its real clock, so that it is known.
        while not any(isinstance(event, Ping) for event in listener.events):
            await listener.next()
        listener.clock_us, listener.answers_pings = lambda: at_us, False
        await listener.say_something()
        report = await listener.until(TurnReport)
        watch.believe_all(parley, listener)
    assert (report.transcript, report.outcome) == ("what time is it", Outcome.COMPLETED)


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("moment", ["speaking", "thinking", "listening"])
async def test_a_turn_whose_listener_leaves_is_counted_and_has_a_trace(moment: str, transport: str) -> None:
    watch = Watch()
    script = Script(writer=Writer(LONG, 1.0 if moment == "thinking" else 0.0), character_seconds=0.05)
    async with house(script) as parley:
        async with joined(parley, transport) as listener:
            if moment == "speaking":
                await listener.speak(0.2, SILENCE)
                await listener.speak(0.6)
                await listener.until(UserSpeechStarted)
            else:
                await listener.say_something()
                await listener.until(UserUtterance)
            if moment == "listening":
                await listener.until(ReplyStarted)
                await listener.until(AssistantActivity, lambda event: event.state is asr.Assistant.SPEAKING)
        while parley.telemetry.registry.get_sample_value("parley_sessions_active"):
            await asyncio.sleep(0)
        counted = parley.telemetry.registry.get_sample_value("parley_turns_total", {"outcome": "listener_left"})
        roots = [span for span in parley.spans.get_finished_spans() if span.name == "parley.turn"]
        watch.believe_all(parley, listener)
    assert counted == 1
    assert [(root.attributes or {})["parley.outcome"] for root in roots] == ["listener_left"]
    assert roots[0].parent is None


async def metrics(gateway: Gateway) -> str:
    async with aiohttp.ClientSession() as http, http.get(f"{gateway.url}/metrics") as response:
        assert response.status == 200
        return await response.text()
