"""One reply, from the question to the last sample: in which order its listener is told of it, and what becomes of it
when a server fails.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_gateway.audio.codecs import PcmEncoder
from edge_gateway.idle_callbacks import IdleCallbacks
from edge_gateway.reply.reply import Brief, Reply, Servers
from edge_gateway.reply.tool_calls import CallLedger
from parley import llm, tts
from parley.conversation import (
    ErrorCode,
    ErrorEvent,
    Event,
    Outcome,
    ReplyAudioEnd,
    ReplyDelayed,
    ReplyStarted,
    ReplyText,
    ToolRequest,
    ToolUsed,
)
from parley.errors import EngineFailed, Overloaded, Unavailable
from tests.edge_gateway.in_memory import (
    CHARACTER_SAMPLES,
    FINISHED,
    Connection,
    ScriptedLlm,
    ScriptedTts,
    says,
    speaks,
)
from tests.virtual_time import now, on_virtual_time, passed, run, settled

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from edge_gateway.reply.wishes import Wish
    from tests.edge_gateway.in_memory import LlmScript, TtsScript

    Results = asyncio.Queue[llm.ToolResult]
    Pieces = asyncio.Queue[tts.Request | None]
    LlmEvents = AsyncGenerator[llm.Event, None]
    TtsEvents = AsyncGenerator[tts.Event, None]

LIGHT = llm.Tool("light", "Switches a light.")
CHAT = llm.Config((llm.Message(llm.Role.USER, "what time is it"),), tools=(LIGHT,))
BRIEF = Brief(7, 3, CHAT, tts.Config())


class Idle(IdleCallbacks):
    """Keeps for how long somebody was ready to wait until it is idle."""

    def __init__(self) -> None:
        super().__init__()
        self.timeouts: list[float] = []

    async def idle(self, timeout_seconds: float) -> None:
        self.timeouts.append(timeout_seconds)
        await super().idle(timeout_seconds)


class Rig:
    """A reply, its servers and its listener."""

    def __init__(self, writes: LlmScript, speaks_so: TtsScript = speaks, brief: Brief = BRIEF) -> None:
        self.llm, self.tts, self.connection = ScriptedLlm(writes), ScriptedTts(speaks_so), Connection()
        self.ledger = CallLedger()
        self.idle = Idle()
        self.reply = Reply(brief, Servers(self.llm, self.tts), self.connection, PcmEncoder, self.ledger, idle=self.idle)
        self.audible_at: float | None = None
        self.wishes: list[tuple[float, Wish]] = []

    async def run(self) -> None:
        """Release it, and see it to its end."""
        self.reply.release()
        await self.reply.run(self.audible, self.wished)
        assert (self.llm.calls, self.tts.calls) == (0, 0), "both servers' work is ended"

    async def audible(self, reply: Reply) -> None:
        assert reply is self.reply
        self.audible_at = now()

    async def wished(self, wish: Wish) -> None:
        self.wishes.append((now(), wish))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.Task[None]]:
        """Run it beside the test; what is not over by the end of the block is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(self.reply.run(self.audible, self.wished))
            yield task
            task.cancel()
        assert (self.llm.calls, self.tts.calls) == (0, 0), "both servers' work is ended"

    @property
    def shown(self) -> str:
        """The text that its listener has seen."""
        return "".join(event.text for event in self.connection.of(ReplyText))

    @property
    def errors(self) -> list[tuple[str, ErrorCode]]:
        return [(event.hop, event.code) for event in self.connection.of(ErrorEvent)]


def kinds(events: list[Event]) -> list[type[Event]]:
    return [type(event) for event in events]


@on_virtual_time
async def test_sound_that_its_listener_does_not_need_yet_waits_until_the_gateway_is_idle() -> None:
    rig = Rig(says("It is late. Good night. Sleep well."))
    await rig.run()
    assert rig.idle.timeouts
    # All that may be ahead of a listener, but for what they need.
    assert all(0 < seconds <= 0.28 + 0.001 for seconds in rig.idle.timeouts)


async def silent(_: Pieces) -> TtsEvents:
    """A TTS server that is there, and says nothing."""
    yield tts.Ready("scripted", "voice", 24_000)
    await asyncio.Event().wait()


def fails_after(samples: int) -> TtsScript:
    """A TTS server that makes so much sound, and breaks off."""

    async def script(pieces: Pieces) -> TtsEvents:
        yield tts.Ready("scripted", "voice", 24_000)
        await pieces.get()
        if samples:
            yield tts.Audio(bytes(2 * samples), 0)
        raise Unavailable("the tts server is gone")

    return script


@on_virtual_time
async def test_a_reply_is_announced_heard_and_ended_in_this_order() -> None:
    rig = Rig(says("It is late."))
    await rig.run()
    assert kinds(rig.connection.events) == [ReplyStarted, ReplyText, ReplyAudioEnd]
    assert rig.connection.of(ReplyStarted) == [ReplyStarted(7, 3)]
    assert rig.connection.of(ReplyAudioEnd) == [ReplyAudioEnd(7, len("It is late.") * CHARACTER_SAMPLES)]
    assert rig.reply.outcome is Outcome.COMPLETED
    assert rig.reply.words.heard(10**9) == rig.shown == "It is late."
    assert now() == pytest.approx(len("It is late.") * 0.04, abs=0.01)
    times = rig.reply.times
    assert 0 < times.asked_ns <= times.first_token_ns <= times.first_audio_ns <= times.first_sent_ns


@on_virtual_time
async def test_of_a_speculative_reply_nothing_is_told_before_it_is_released() -> None:
    rig = Rig(says("It is ", "late."))
    async with rig.running() as task:
        await passed(5.0)
        assert (rig.connection.events, rig.connection.packets, rig.reply.audience.begun) == ([], [], False)
        assert rig.reply.times.first_audio_ns
        rig.reply.release()
        await task
    assert rig.audible_at == pytest.approx(5.0, abs=0.001)
    assert kinds(rig.connection.events) == [ReplyStarted, ReplyText, ReplyText, ReplyAudioEnd]


@on_virtual_time
async def test_a_reply_that_is_held_back_before_it_began_is_heard_when_it_is_let_go() -> None:
    async def late(_: Results) -> LlmEvents:
        await passed(1.0)
        yield llm.Delta("It is late.")
        yield FINISHED

    rig = Rig(late)
    rig.reply.release()
    async with rig.running() as task:
        await passed(0.5)
        rig.reply.hold()
        await passed(3.0)
        assert (rig.connection.packets, rig.reply.audience.begun) == ([], False)
        rig.reply.release()
        await task
    assert rig.audible_at == pytest.approx(3.5, abs=0.001)
    assert rig.reply.outcome is Outcome.COMPLETED


@on_virtual_time
async def test_a_reply_that_has_begun_is_not_held_back() -> None:
    rig = Rig(says("It is late, and getting later."))
    rig.reply.release()
    async with rig.running() as task:
        await settled()
        rig.reply.hold()
        await task
    assert len(rig.connection.packets) * 480 >= len(rig.shown) * CHARACTER_SAMPLES


@on_virtual_time
async def test_a_greeting_asks_no_model() -> None:
    rig = Rig(says("never"), brief=Brief(1, 0, None, tts.Config(), fixed_text="Hello there."))
    await rig.run()
    assert (rig.llm.asked, rig.shown) == ([], "Hello there.")
    assert rig.reply.outcome is Outcome.COMPLETED


@on_virtual_time
async def test_a_reply_that_cannot_be_spoken_is_shown() -> None:
    async def nothing_to_say(pieces: Pieces) -> TtsEvents:
        yield tts.Ready("scripted", "voice", 24_000)
        while await pieces.get() is not None:
            pass
        yield tts.Finished(0)

    rig = Rig(says("🎉"), nothing_to_say)
    await rig.run()
    assert kinds(rig.connection.events) == [ReplyStarted, ReplyText]
    assert (rig.shown, rig.reply.text_only, rig.reply.outcome) == ("🎉", True, Outcome.COMPLETED)


@on_virtual_time
async def test_a_model_that_writes_nothing_has_failed() -> None:
    rig = Rig(says())
    await rig.run()
    assert rig.reply.outcome is Outcome.FAILED
    assert rig.reply.failure is not None
    assert (rig.reply.failure.hop, type(rig.reply.failure.error)) == ("llm", EngineFailed)
    assert kinds(rig.connection.events) == [ErrorEvent]


@pytest.mark.parametrize("words", ["", "It is"])
@on_virtual_time
async def test_a_model_that_fails_is_told_and_what_was_sent_is_played_out(words: str) -> None:
    async def fails(_: Results) -> LlmEvents:
        if words:
            yield llm.Delta(words)
        await passed(0.1)
        raise Overloaded("too many", retry_after_ms=500)

    rig = Rig(fails)
    await rig.run()
    assert rig.errors == [("llm", ErrorCode.OVERLOADED)]
    assert rig.reply.outcome is Outcome.FAILED
    assert bool(rig.connection.packets) == bool(words)
    if words:
        assert kinds(rig.connection.events)[-1] is ReplyAudioEnd
        assert now() == pytest.approx(len(words) * 0.04, abs=0.01)


@on_virtual_time
async def test_a_tts_server_that_is_silent_for_two_seconds_is_given_up_and_the_text_is_shown_to_its_end() -> None:
    async def slowly(_: Results) -> LlmEvents:
        for piece in ("It ", "is ", "late."):
            yield llm.Delta(piece)
            await passed(1.5)
        yield FINISHED

    rig = Rig(slowly, silent)
    await rig.run()
    assert rig.errors == [("tts", ErrorCode.DEADLINE)]
    assert rig.connection.time_of(ErrorEvent) == pytest.approx(2.0, abs=0.001)
    assert kinds(rig.connection.events) == [ErrorEvent, ReplyStarted, ReplyText, ReplyText, ReplyText]
    assert (rig.shown, rig.reply.text_only) == ("It is late.", True)
    assert len(rig.llm.asked) == 1, "the model is not asked again"
    assert rig.reply.outcome is Outcome.FAILED
    assert now() == pytest.approx(4.5, abs=0.01)


@pytest.mark.parametrize("ahead_seconds", [-1e-6, -1e-10, 0.0, 1e-10, 1e-6])
@pytest.mark.parametrize("last", [False, True])
@on_virtual_time
async def test_text_that_comes_in_the_moment_in_which_the_tts_server_is_given_up_is_shown_once(
    ahead_seconds: float,
    last: bool,  # noqa: FBT001 - pytest names it
) -> None:
    async def writes(_: Results) -> LlmEvents:
        yield llm.Delta("It is ")
        await passed(2.0 - ahead_seconds)
        yield llm.Delta("late.")
        if not last:
            await passed(0.1)
        yield FINISHED

    rig = Rig(writes, silent)
    await rig.run()
    assert rig.shown == rig.reply.words.text == "It is late."
    assert rig.errors == [("tts", ErrorCode.DEADLINE)]


@given(pauses=st.lists(st.floats(0, 0.9), min_size=1, max_size=10), fails_at=st.floats(0, 3))
@settings(deadline=None)
def test_whenever_the_tts_server_fails_no_piece_of_the_text_is_lost_or_shown_twice(
    pauses: list[float], fails_at: float
) -> None:
    async def shown() -> str:
        async def writes(_: Results) -> LlmEvents:
            for place, pause in enumerate(pauses):
                await passed(pause)
                yield llm.Delta(f"{place} ")
            yield FINISHED

        async def breaks_off(_: Pieces) -> TtsEvents:
            yield tts.Ready("scripted", "voice", 24_000)
            await passed(fails_at)
            raise Unavailable("the tts server is gone")

        rig = Rig(writes, breaks_off)
        await rig.run()
        assert rig.shown == rig.reply.words.text
        assert rig.errors[0][0] == "tts"
        return rig.shown

    assert run(shown()) == "".join(f"{place} " for place in range(len(pauses)))


@on_virtual_time
async def test_a_speculative_reply_that_cannot_be_spoken_is_shown_only_when_it_is_released() -> None:
    rig = Rig(says("It is late."), fails_after(0))
    async with rig.running() as task:
        await passed(5.0)
        assert rig.connection.events == []
        rig.reply.release()
        await task
    assert kinds(rig.connection.events) == [ErrorEvent, ReplyStarted, ReplyText]


@on_virtual_time
async def test_a_tts_server_that_breaks_off_in_the_middle_ends_the_reply_there() -> None:
    rig = Rig(says("It is late, and it is cold outside."), fails_after(9_600))
    await rig.run()
    assert rig.errors == [("tts", ErrorCode.UNAVAILABLE)]
    assert kinds(rig.connection.events)[-2:] == [ErrorEvent, ReplyAudioEnd]
    assert rig.connection.of(ReplyAudioEnd) == [ReplyAudioEnd(7, 9_600)]
    assert (rig.reply.outcome, rig.reply.text_only) == (Outcome.FAILED, False)
    assert now() == pytest.approx(0.4, abs=0.01)


@on_virtual_time
async def test_a_model_that_fails_while_its_text_is_shown_is_told_of_too() -> None:
    async def fails(_: Results) -> LlmEvents:
        yield llm.Delta("It is ")
        await passed(3.0)
        yield llm.Progress(llm.ProgressKind.WAITING)
        raise Overloaded("too many")

    rig = Rig(fails, fails_after(0))
    await rig.run()
    assert rig.errors == [("tts", ErrorCode.UNAVAILABLE), ("llm", ErrorCode.OVERLOADED)]
    assert rig.shown == "It is "


@on_virtual_time
async def test_who_waits_long_is_told_of_whom_they_wait_for_and_hears_the_filler() -> None:
    async def slowly(_: Results) -> LlmEvents:
        for _second in range(4):
            await passed(1.0)
            yield llm.Progress(llm.ProgressKind.WAITING, "big")
        yield llm.Delta("It is late.")
        yield FINISHED

    rig = Rig(slowly, brief=replace(BRIEF, filler="One moment."))
    await rig.run()
    assert rig.connection.of(ReplyDelayed) == [ReplyDelayed(3, "llm", "big", llm.ProgressKind.WAITING, 1_500)]
    assert rig.shown == "One moment. It is late."
    assert rig.audible_at == pytest.approx(1.5, abs=0.001)


@on_virtual_time
async def test_a_function_is_asked_of_the_listener_when_the_reply_is_released_and_its_result_is_spoken_of() -> None:
    async def calls(results: Results) -> LlmEvents:
        yield llm.ToolCall("a", "light", "{}")
        result = await results.get()
        yield llm.Delta(f"{result.tool_call_id}: {result.content}.")
        yield FINISHED

    rig = Rig(calls)
    async with rig.running() as task:
        await passed(2.0)
        assert rig.connection.events == []
        rig.reply.release()
        await settled()
        [request] = rig.connection.of(ToolRequest)
        assert request == ToolRequest(7, llm.ToolCall("7:1", "light", "{}"))
        rig.reply.tools.deliver(rig.ledger.answer(llm.ToolResult("7:1", "done")))
        await task
    assert rig.shown == "a: done."


@given(at=st.floats(0, 2))
@settings(deadline=None)
def test_whenever_a_reply_is_cancelled_both_servers_stop_and_nothing_follows(at: float) -> None:
    async def cancelled() -> None:
        async def writes(_: Results) -> LlmEvents:
            for piece in ("It ", "is ", "late."):
                await passed(0.3)
                yield llm.Delta(piece)
            yield FINISHED

        rig = Rig(writes)
        rig.reply.release()
        async with rig.running():
            await passed(at)
        told, sent = list(rig.connection.events), len(rig.connection.packets)
        await passed(10)
        assert (rig.connection.events, len(rig.connection.packets)) == (told, sent)

    run(cancelled())


@on_virtual_time
async def test_who_wrote_a_reply_is_known() -> None:
    async def writes(_: Results) -> LlmEvents:
        yield llm.Delta("It is late.")
        yield replace(FINISHED, model="small@here")

    rig = Rig(writes)
    await rig.run()
    assert rig.reply.model == "small@here"


@on_virtual_time
async def test_a_function_of_the_llm_servers_own_is_told_once_something_of_the_reply_is_heard() -> None:
    use = llm.ToolUse("time", "{}", "noon", failed=False)

    async def script(_results: Results) -> LlmEvents:
        yield use
        yield llm.Delta("It is noon.")
        yield FINISHED

    rig = Rig(script)
    async with rig.running():
        await passed(5)
        assert rig.connection.of(ToolUsed) == []
        rig.reply.release()
        await passed(5)
    assert rig.connection.of(ToolUsed) == [ToolUsed(7, use)]
    order = [kind for kind in kinds(rig.connection.events) if kind in {ReplyStarted, ToolUsed, ReplyText}]
    assert order == [ReplyStarted, ToolUsed, ReplyText]
