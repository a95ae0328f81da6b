"""The replies of a session, one at a time: what the listener, the model and the operator are told of each."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from edge_gateway.audio.codecs import Codecs
from edge_gateway.audio.libopus import Libopus, find_libopus
from edge_gateway.audio.opus import Encoder
from edge_gateway.backends import Backends
from edge_gateway.directory import Directory
from edge_gateway.latency.client_clock import ClientClock
from edge_gateway.latency.turn_metrics import TurnMetrics
from edge_gateway.reply.manager import Audible, Over, ReplyManager
from edge_gateway.reply.reply import Servers
from edge_gateway.turn import GREETING, Turn
from parley import llm, tts
from parley.conversation import (
    AudioFormat,
    ClientMark,
    Duck,
    Encoding,
    ErrorEvent,
    Event,
    FlushPlayback,
    MarkKind,
    Outcome,
    Played,
    ReplyAudioEnd,
    ReplyFinished,
    ReplyStarted,
    ReplyText,
    SessionConfig,
    ToolRequest,
    TurnReport,
    TurnTimes,
    UserUtterance,
)
from parley.errors import InvalidInput, Unavailable
from parley.llm import Role
from serving.telemetry import Telemetry, clock_ns, new_provider
from tests.edge_gateway.in_memory import (
    CHARACTER_SAMPLES,
    FINISHED,
    RATE_HZ,
    Connection,
    ScriptedAsr,
    ScriptedLlm,
    ScriptedTts,
    says,
    speaks,
)
from tests.virtual_time import now, on_virtual_time, passed, run, settled

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from edge_gateway.reply.session_actions import Wished
    from tests.edge_gateway.in_memory import LlmScript, TtsScript

    Results = asyncio.Queue[llm.ToolResult]
    LlmEvents = AsyncGenerator[llm.Event, None]

CODECS = Codecs(Libopus(find_libopus()))
LIGHT = llm.Tool("light", "Switches a light.")
PCM = AudioFormat(Encoding.PCM_S16LE, RATE_HZ)
CONFIG = SessionConfig(output=PCM, reports_playback=True, tools=(LIGHT,))
SPOKEN = "One two three. Four five six."


class Rig:
    """The replies of a session whose servers do as they are told."""

    def __init__(self, writes: LlmScript, speaks_so: TtsScript = speaks, config: SessionConfig = CONFIG) -> None:
        self.llm, self.registry = ScriptedLlm(writes), CollectorRegistry()
        self.connection, self.clock = Connection(), ClientClock()
        servers = Servers(self.llm, ScriptedTts(speaks_so))
        metrics = TurnMetrics(Telemetry(new_provider("gateway"), self.registry))
        asr_server = ScriptedAsr(lambda stream, request: None)
        backends = Backends(
            asr_server, servers, Directory(asr_server, servers), CODECS, metrics, "Be brief.", 400, "One moment."
        )
        self.replies = ReplyManager("session", self.connection, backends, self.clock, self._notify)
        self.replies.briefs.configure(config)
        self.news: list[Audible | Over | Wished] = []
        self._count = 0
        self.tasks = asyncio.TaskGroup()

    @asynccontextmanager
    async def session(self) -> AsyncIterator[None]:
        """Conclude replies as a session does, until the block ends."""
        async with self.tasks:
            yield
            if self.replies.task is not None:
                self.replies.task.cancel()

    async def _notify(self, news: Audible | Over | Wished) -> None:
        self.news.append(news)
        if isinstance(news, Over):
            await self.replies.over(news.reply)

    def turn(self, *, typed: bool = True) -> Turn:
        """The next turn."""
        self._count += 1
        if typed:
            return Turn.written(self._count)
        turn = Turn(self._count)
        turn.timeline.utterance.began_ns = turn.timeline.utterance.speech_end_ns = clock_ns()
        return turn

    async def asks(self, text: str, *, speculative: bool = False) -> Turn:
        turn = self.turn()
        await self.replies.answer(self.tasks, turn, text, speculative=speculative)
        await settled()
        return turn

    def of(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.connection.events if isinstance(event, kind)]

    @property
    def story(self) -> list[type[Event]]:
        """What came to the listener, without the words of replies."""
        return [type(event) for event in self.connection.events if not isinstance(event, ReplyText)]

    @property
    def finished(self) -> list[ReplyFinished]:
        return self.connection.of(ReplyFinished)

    def told(self) -> list[tuple[Role, str]]:
        """What the model was told last."""
        return [(message.role, message.text) for message in self.llm.asked[-1].messages]

    def sample(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0


async def never(_: Results) -> LlmEvents:
    """A model that thinks."""
    while True:
        await passed(1)
        yield llm.Progress(llm.ProgressKind.WAITING)


async def calls_light(results: Results) -> LlmEvents:
    """A model that wants a light switched, and speaks of it."""
    yield llm.ToolCall("a", "light", "{}")
    result = await results.get()
    yield llm.Delta(f"It is {result.content}.")
    yield FINISHED


@on_virtual_time
async def test_a_turn_is_answered_and_its_end_is_told_once() -> None:
    rig = Rig(says("It is late."))
    async with rig.session():
        turn = await rig.asks("what time is it")
        await passed(5)
    assert rig.story == [UserUtterance, ReplyStarted, ReplyAudioEnd, ReplyFinished, TurnReport]
    assert rig.connection.of(UserUtterance) == [UserUtterance(1, "what time is it", typed=True)]
    assert rig.finished == [ReplyFinished(1, Outcome.COMPLETED, "It is late.", "")]
    [report] = rig.connection.of(TurnReport)
    assert (report.turn, report.reply, report.transcript, report.heard) == (1, 1, "what time is it", "It is late.")
    assert turn.outcome is Outcome.COMPLETED
    assert [type(news) for news in rig.news] == [Audible, Over]
    assert rig.replies.idle
    assert rig.sample("parley_turns_total", outcome="completed") == 1


@on_virtual_time
async def test_the_model_is_asked_before_the_listener_is_told_what_they_said() -> None:
    told_before: list[type[Event]] = []

    def writes(results: Results) -> LlmEvents:
        told_before.extend(rig.story)
        return says("It is late.")(results)

    rig = Rig(writes)
    async with rig.session():
        await rig.asks("what time is it")
        assert (len(rig.llm.asked), told_before) == (1, [])


@on_virtual_time
async def test_a_reply_that_fails_at_once_is_told_of_after_the_words_that_it_answers() -> None:
    def fails(_: Results) -> LlmEvents:
        raise Unavailable("away")

    rig = Rig(fails)
    async with rig.session():
        await rig.asks("what time is it")
    assert rig.story == [UserUtterance, ErrorEvent, ReplyFinished, TurnReport]


@on_virtual_time
async def test_the_model_is_told_what_was_said_and_heard_before() -> None:
    rig = Rig(says("It is late."))
    async with rig.session():
        await rig.asks("what time is it")
        await passed(5)
        await rig.asks("thanks")
        await passed(5)
    assert rig.told() == [
        (Role.SYSTEM, "Be brief."),
        (Role.USER, "what time is it"),
        (Role.ASSISTANT, "It is late."),
        (Role.USER, "thanks"),
    ]


@on_virtual_time
async def test_a_greeting_is_said_without_a_word_of_a_user() -> None:
    rig = Rig(never)
    async with rig.session():
        rig.replies.say(rig.tasks, Turn.written(GREETING, "Hello there."), "Hello there.")
        await passed(5)
        assert rig.story == [ReplyStarted, ReplyAudioEnd, ReplyFinished, TurnReport]
        await rig.asks("hello")
        assert rig.told()[1:] == [(Role.ASSISTANT, "Hello there."), (Role.USER, "hello")]


@on_virtual_time
async def test_replies_one_after_the_other_have_one_encoder_whatever_their_end(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def make(libopus: Libopus, rate_hz: int, *, bitrate_bps: int, complexity: int) -> Encoder:
        made.append(Encoder(libopus, rate_hz, bitrate_bps=bitrate_bps, complexity=complexity))
        return made[-1]

    monkeypatch.setattr("edge_gateway.audio.codecs.Encoder", make)
    monkeypatch.setattr("tests.edge_gateway.reply.test_manager.CODECS", Codecs(Libopus(find_libopus())))
    rig = Rig(says(SPOKEN), config=SessionConfig(output=AudioFormat(Encoding.OPUS, RATE_HZ)))
    async with rig.session():
        for outcome in (None, Outcome.INTERRUPTED, None):
            await rig.asks("what time is it")
            await passed(0.2 if outcome else 20)
            if outcome:
                await rig.replies.interrupt(outcome)
    assert [event.outcome for event in rig.of(ReplyFinished) if isinstance(event, ReplyFinished)] == [
        Outcome.COMPLETED,
        Outcome.INTERRUPTED,
        Outcome.COMPLETED,
    ]
    assert len(made) == 1


# Speculative replies


@on_virtual_time
async def test_of_a_speculative_reply_nobody_hears_until_it_is_released() -> None:
    rig = Rig(says("It is late."))
    async with rig.session():
        turn = await rig.asks("what time", speculative=True)
        await passed(5)
        assert rig.connection.events == []
        assert rig.told()[-1] == (Role.USER, "what time")
        await rig.replies.release("what time is it")
        await passed(5)
    assert rig.story == [UserUtterance, ReplyStarted, ReplyAudioEnd, ReplyFinished, TurnReport]
    assert turn.text == "what time is it"
    assert turn.timeline.reply.head_start
    assert rig.sample("parley_head_starts_total", outcome="used") == 1


@on_virtual_time
async def test_a_speculative_reply_that_is_dropped_never_was() -> None:
    rig = Rig(says("It is late."))
    async with rig.session():
        turn = await rig.asks("what time", speculative=True)
        await rig.replies.drop(Outcome.CANCELLED)
        assert rig.connection.events == []
        assert (turn.reply, turn.outcome) == (None, Outcome.UNSPECIFIED)
        assert rig.replies.idle
        await rig.asks("what time is it in Rome")
        assert rig.told()[1:] == [(Role.USER, "what time is it in Rome")]
    assert rig.sample("parley_head_starts_total", outcome="wasted") == 1
    assert rig.sample("parley_turns_total", outcome="cancelled") == 0


# Replies that are not heard to their end


@pytest.mark.parametrize("outcome", [Outcome.MERGED, Outcome.CANCELLED])
@on_virtual_time
async def test_a_released_reply_that_is_dropped_reports_its_end(outcome: Outcome) -> None:
    rig = Rig(never)
    async with rig.session():
        turn = await rig.asks("turn on the light")
        await rig.replies.drop(outcome)
        assert rig.story == [UserUtterance, ReplyFinished, TurnReport]
        assert rig.finished == [ReplyFinished(1, outcome, "", "")]
        assert turn.outcome is outcome
        assert rig.replies.idle
        assert rig.llm.calls == 0
        await rig.asks("please")
        assert rig.told()[1:] == [(Role.USER, "turn on the light please")]


@on_virtual_time
async def test_where_nothing_is_replied_there_is_nothing_to_drop_or_to_interrupt() -> None:
    rig = Rig(never)
    await rig.replies.drop(Outcome.CANCELLED)
    await rig.replies.interrupt(Outcome.INTERRUPTED)
    await rig.replies.settle()
    await rig.replies.duck(-18)
    rig.replies.hold(back=True)
    rig.replies.hold(back=False)
    await rig.replies.release("hello")
    await rig.replies.clock_is_known()
    assert rig.connection.events == []


@on_virtual_time
async def test_a_held_reply_begins_when_it_is_let_go() -> None:
    async def writes(_: Results) -> LlmEvents:
        await passed(0.5)
        yield llm.Delta("It is late.")
        yield FINISHED

    rig = Rig(writes)
    async with rig.session():
        await rig.asks("what time is it")
        rig.replies.hold(back=True)
        await passed(3)
        assert rig.story == [UserUtterance]
        rig.replies.hold(back=False)
        await passed(3)
    assert rig.story == [UserUtterance, ReplyStarted, ReplyAudioEnd, ReplyFinished, TurnReport]


def heard_of(seconds: float) -> str:
    """The words of `SPOKEN` of which at least half has sounded; without marks they are spread by their length."""
    samples, heard = seconds * RATE_HZ, ""
    for sentence_start, sentence in ((0, "One two three. "), (15, "Four five six.")):
        for word in sentence.split():
            start = sentence_start + sentence.index(word)
            if samples >= (start + len(word) / 2) * CHARACTER_SAMPLES:
                heard = SPOKEN[: start + len(word)]
    return heard


@on_virtual_time
async def test_an_interrupted_reply_is_settled_with_the_listeners_last_report() -> None:
    rig = Rig(says("One two three. ", "Four five six."))
    async with rig.session():
        turn = await rig.asks("count")
        await passed(0.5)
        await rig.replies.interrupt(Outcome.INTERRUPTED)
        assert rig.connection.events[-1] == FlushPlayback(1)
        idle = [rig.replies.idle]
        assert rig.replies.settle_at == pytest.approx(asyncio.get_running_loop().time() + 0.3)
        assert rig.finished == []
        await passed(0.1)
        await rig.replies.played(Played(1, round(0.3 * RATE_HZ), final=True))
        [finished] = rig.finished
        assert (finished.outcome, finished.heard) == (Outcome.INTERRUPTED, heard_of(0.3))
        assert f"{finished.heard} {finished.unheard}" == SPOKEN
        assert (*idle, rig.replies.idle) == (False, True)
        assert turn.outcome is Outcome.INTERRUPTED
        await rig.asks("go on")
        interrupted = rig.llm.asked[-1].messages[2]
        assert (interrupted.text, interrupted.interrupted) == (finished.heard, True)
        assert interrupted.unheard == finished.unheard


@on_virtual_time
async def test_who_says_nothing_more_of_an_interrupted_reply_has_heard_it_until_now() -> None:
    rig = Rig(says("One two three. ", "Four five six."))
    async with rig.session():
        await rig.asks("count")
        await passed(0.5)
        await rig.replies.interrupt(Outcome.INTERRUPTED)
        await rig.replies.settle()
    [finished] = rig.finished
    assert finished.heard == heard_of(0.5)


@on_virtual_time
async def test_a_listener_who_never_reports_is_not_waited_for() -> None:
    rig = Rig(says("One two three. ", "Four five six."), config=SessionConfig(output=PCM))
    async with rig.session():
        await rig.asks("count")
        await passed(0.5)
        await rig.replies.interrupt(Outcome.CANCELLED)
        assert rig.story[-3:] == [FlushPlayback, ReplyFinished, TurnReport]
        assert rig.finished[0].outcome is Outcome.CANCELLED
        assert rig.replies.idle


@on_virtual_time
async def test_an_interrupted_reply_is_told_before_the_next_utterance() -> None:
    rig = Rig(says("One two three. ", "Four five six."))
    async with rig.session():
        await rig.asks("count")
        await passed(0.5)
        await rig.replies.interrupt(Outcome.INTERRUPTED)
        await rig.asks("stop")
        assert rig.story[:7] == [
            UserUtterance,
            ReplyStarted,
            FlushPlayback,
            ReplyFinished,
            TurnReport,
            UserUtterance,
            ReplyStarted,
        ]
        # What the listener says of it later changes nothing any more.
        await rig.replies.played(Played(1, 10, final=True))
    assert len([each for each in rig.finished if each.reply == 1]) == 1


@on_virtual_time
async def test_a_reply_that_was_stopped_is_not_over_once_more() -> None:
    rig = Rig(says("It is late."))
    async with rig.session():
        turn = await rig.asks("what time is it")
        reply = turn.reply
        assert reply is not None
        await rig.replies.interrupt(Outcome.INTERRUPTED)
        await rig.replies.settle()
        assert not await rig.replies.over(reply)
    assert len(rig.finished) == 1


@on_virtual_time
async def test_nothing_of_a_stopped_reply_comes_after_its_end() -> None:
    rig = Rig(says("One two three. ", "Four five six."))
    async with rig.session():
        await rig.asks("count")
        await passed(0.2)
        await rig.replies.interrupt(Outcome.INTERRUPTED)
        events, packets = len(rig.connection.events), len(rig.connection.packets)
        await passed(10)
        assert (len(rig.connection.events), len(rig.connection.packets)) == (events, packets)


@on_virtual_time
async def test_a_reply_that_failed_is_told_as_failed() -> None:
    async def fails(_: Results) -> LlmEvents:
        yield llm.Ready("scripted", "model")
        raise Unavailable("the llm server is gone")

    rig = Rig(fails)
    async with rig.session():
        turn = await rig.asks("what time is it")
        await passed(1)
    assert turn.outcome is Outcome.FAILED
    assert rig.finished == [ReplyFinished(1, Outcome.FAILED, "", "")]
    assert rig.sample("parley_hop_failures_total", hop="llm") == 1


@on_virtual_time
async def test_a_reply_that_could_only_be_shown_was_read() -> None:
    async def breaks_off(_: object) -> AsyncGenerator[tts.Event, None]:
        yield tts.Ready("scripted", "voice", RATE_HZ)
        raise Unavailable("the tts server is gone")

    rig = Rig(says("It is late."), breaks_off)
    async with rig.session():
        await rig.asks("what time is it")
        await passed(1)
        await rig.asks("thanks")
    assert rig.finished[0] == ReplyFinished(1, Outcome.FAILED, "It is late.", "")
    assert (Role.ASSISTANT, "It is late.") in rig.told()


# What the listener says


@on_virtual_time
async def test_what_concerns_no_reply_is_of_no_account() -> None:
    rig = Rig(says("It is late."))
    async with rig.session():
        turn = await rig.asks("what time is it")
        await rig.replies.played(Played(9, 10**9, final=True))
        await rig.replies.mark(ClientMark(MarkKind.FIRST_AUDIBLE, 9, clock_ns() // 1_000))
        assert turn.reply is not None
        assert turn.reply.playout.played_samples == 0
        assert rig.connection.of(TurnTimes) == []


@on_virtual_time
async def test_a_listener_who_reports_the_end_has_heard_a_reply() -> None:
    rig = Rig(says("It is late."))
    async with rig.session():
        await rig.asks("what time is it")
        await passed(0.1)
        await rig.replies.played(Played(1, 10**9, final=True))
        await settled()
        assert now() == pytest.approx(0.1, abs=0.01)
        assert rig.finished == [ReplyFinished(1, Outcome.COMPLETED, "It is late.", "")]


@on_virtual_time
async def test_the_waterfall_is_shown_when_the_reply_can_be_heard_by_a_clock_that_is_known() -> None:
    rig = Rig(says("It is late."))
    async with rig.session():
        await rig.asks("what time is it")
        await rig.replies.mark(ClientMark(MarkKind.FIRST_AUDIBLE, 1, clock_ns() // 1_000))
        assert rig.connection.of(TurnTimes) == []
        at_us = clock_ns() // 1_000
        rig.clock.exchange(at_us, at_us + 10, at_us + 10, at_us + 20)
        await rig.replies.clock_is_known()
        [times] = rig.connection.of(TurnTimes)
        assert (times.turn, times.reply) == (1, 1)
        assert 0 <= times.mic_to_speaker_ms < 5_000


@on_virtual_time
async def test_a_reply_is_ducked_by_its_number() -> None:
    rig = Rig(says("It is late."))
    async with rig.session():
        await rig.asks("what time is it")
        await rig.replies.duck(-18, 1_536)
        await rig.replies.duck(0.0)
    assert rig.connection.of(Duck) == [Duck(1, -18, 1_536), Duck(1, 0.0)]


# What was being said


@on_virtual_time
async def test_only_what_could_be_heard_meanwhile_was_being_said() -> None:
    rig = Rig(says(*[f"w{place:02} " for place in range(50)]))
    loop = asyncio.get_running_loop()
    async with rig.session():
        assert rig.replies.said_since(loop.time()) == ""
        await rig.asks("count")
        await passed(3.0)
        said = rig.replies.said_since(loop.time() - 0.5).split()
    # A word lasts 160 ms: from 1.5 s before now, with its margin, to 0.3 s after.
    assert 10 <= len(said) <= 13
    assert said[0] in {"w08", "w09"}
    assert said[-1] in {"w19", "w20", "w21"}


@on_virtual_time
async def test_what_a_reply_was_saying_is_known_for_a_while_after_it_is_over() -> None:
    rig = Rig(says("It is late."))
    loop = asyncio.get_running_loop()
    async with rig.session():
        await rig.asks("what time is it")
        await passed(0.4)
        began = loop.time()
        await rig.replies.interrupt(Outcome.INTERRUPTED)
        await rig.replies.settle()
        await passed(2)
        assert rig.replies.said_since(began).startswith("It is")


# Functions


@on_virtual_time
async def test_what_was_called_for_words_that_are_merged_is_not_called_again() -> None:
    rig = Rig(calls_light)
    async with rig.session():
        await rig.asks("turn on the light")
        [request] = rig.connection.of(ToolRequest)
        await rig.replies.drop(Outcome.MERGED)
        await rig.asks("please")
        rig.replies.tool_result(llm.ToolResult(request.call.id, "on"))
        await passed(5)
        assert len(rig.connection.of(ToolRequest)) == 1
        assert rig.finished[-1].heard == "It is on."
        await rig.asks("thanks")
    called, result = rig.llm.asked[-1].messages[2:4]
    assert [call.id for call in called.tool_calls] == [result.tool_call_id] == [request.call.id]
    assert [text for role, text in rig.told() if role is not Role.SYSTEM] == [
        "turn on the light please",
        "",
        "on",
        "It is on.",
        "thanks",
    ]


@pytest.mark.parametrize("outcome", [Outcome.CANCELLED, Outcome.COMPLETED])
@on_virtual_time
async def test_what_was_called_for_other_words_is_called_again(outcome: Outcome) -> None:
    rig = Rig(calls_light)
    async with rig.session():
        await rig.asks("toggle the light")
        if outcome is Outcome.COMPLETED:
            rig.replies.tool_result(llm.ToolResult("1:1", "on"))
            await passed(5)
        else:
            await rig.replies.drop(outcome)
        await rig.asks("toggle it once more")
        assert [request.call.id for request in rig.connection.of(ToolRequest)] == ["1:1", "2:1"]


@on_virtual_time
async def test_a_result_that_comes_when_its_reply_is_over_is_told_to_the_next() -> None:
    rig = Rig(calls_light)
    async with rig.session():
        await rig.asks("turn on the light")
        await rig.replies.drop(Outcome.CANCELLED)
        rig.replies.tool_result(llm.ToolResult("1:1", "on"))
        await rig.asks("is it on")
    assert (Role.TOOL, "on") in rig.told()


@on_virtual_time
async def test_a_result_of_nothing_is_refused() -> None:
    rig = Rig(calls_light)
    async with rig.session():
        await rig.asks("turn on the light")
        with pytest.raises(InvalidInput):
            rig.replies.tool_result(llm.ToolResult("7:1", "on"))


# When the listener leaves


def ends(rig: Rig) -> dict[str, float]:
    """How turns ended, and how many of each."""
    names = [outcome.name.lower() for outcome in Outcome]
    counts = {name: rig.sample("parley_turns_total", outcome=name) for name in names}
    return {name: count for name, count in counts.items() if count}


@pytest.mark.parametrize(
    ("happens", "spoken_began", "counted"),
    [
        pytest.param("nothing", False, {}, id="nobody said anything"),
        pytest.param("nothing", True, {"listener_left": 1}, id="in the middle of speech"),
        pytest.param("thinks", False, {"listener_left": 1}, id="before the answer"),
        pytest.param("thinks", True, {"listener_left": 2}, id="before the answer and in the middle of speech"),
        pytest.param("speculates", True, {"listener_left": 1}, id="while a reply was only guessed at"),
        pytest.param("interrupted", False, {"interrupted": 1}, id="before they said what was heard"),
        pytest.param("heard", False, {"completed": 1}, id="after the answer"),
    ],
)
@on_virtual_time
async def test_every_turn_of_a_listener_who_leaves_is_counted_once(
    happens: str,
    spoken_began: bool,  # noqa: FBT001 - pytest names it
    counted: dict[str, float],
) -> None:
    rig = Rig(never if happens in {"thinks", "speculates"} else says("It is late."))
    async with rig.session():
        spoken = rig.turn(typed=False) if spoken_began else Turn(0)
        match happens:
            case "nothing":
                pass
            case "speculates":
                await rig.replies.answer(rig.tasks, spoken, "what time", speculative=True)
            case _:
                await rig.asks("what time is it")
        if happens == "interrupted":
            await rig.replies.interrupt(Outcome.INTERRUPTED)
        elif happens == "heard":
            await passed(5)
        if rig.replies.task is not None:
            rig.replies.task.cancel()
        rig.replies.listener_left(spoken)
    assert ends(rig) == counted


@given(left_at=st.floats(0, 3.5), steps=st.lists(st.sampled_from(["ask", "interrupt", "drop", "wait"]), max_size=6))
@settings(deadline=None)
def test_whenever_a_listener_leaves_every_turn_that_they_saw_ends_once(left_at: float, steps: list[str]) -> None:
    async def talk() -> None:
        rig = Rig(says("It is late."))
        rig.connection.send_seconds = 0.05

        async def conduct() -> None:
            for step in steps:
                match step:
                    case "ask":
                        if rig.replies.task is not None:
                            await rig.replies.drop(Outcome.MERGED)
                        await rig.replies.answer(rig.tasks, rig.turn(), "what time is it")
                    case "interrupt":
                        await rig.replies.interrupt(Outcome.INTERRUPTED)
                    case "drop":
                        await rig.replies.drop(Outcome.CANCELLED)
                    case _:
                        await passed(0.3)
            await asyncio.Event().wait()

        async with rig.session():
            conducting = rig.tasks.create_task(conduct())
            await passed(left_at)
            conducting.cancel()
            if rig.replies.task is not None:
                rig.replies.task.cancel()
        rig.replies.listener_left(Turn(0))
        utterances = rig.connection.of(UserUtterance)
        assert sum(ends(rig).values()) >= len(utterances)
        assert sum(ends(rig).values()) <= steps.count("ask")

    run(talk())
