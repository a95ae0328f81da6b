"""The text of a reply as it comes: how long it may take, who is waited for, and what is said meanwhile."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_gateway.reply.generation import FixedText, Generation, Waiting, generation
from edge_gateway.reply.tool_calls import CallLedger, ToolCalls
from parley import llm, tts
from parley._flag import Flag
from parley.errors import DeadlinePassed, EngineFailed, Overloaded
from tests.edge_gateway.in_memory import FINISHED, ScriptedLlm, says
from tests.virtual_time import now, on_virtual_time, passed, run

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from tests.edge_gateway.in_memory import LlmScript

    Results = asyncio.Queue[llm.ToolResult]
    Events = AsyncGenerator[llm.Event, None]

LIGHT = llm.Tool("light", "Switches a light.")
CALL = llm.ToolCall("a", "light", "{}")
WAITING = llm.ProgressKind.WAITING


class Listener:
    """Who waits for a reply, and what they are told; they answer calls after `answers_after` seconds."""

    def __init__(self, *, hears: bool = True, filler: str = "One moment.", answers_after: float | None = None) -> None:
        self.heard = Flag()
        if hears:
            self.heard.set()
        self.told: list[tuple[float, str, llm.ProgressKind, float]] = []
        """When they were told, of which model, what it does, and for how long by then."""
        self.waiting = Waiting(filler, self.heard, self._tell)
        self._ledger = CallLedger()
        self._answers_after = answers_after
        self.tools = ToolCalls(1, self._ledger, self._certain, self._ask)
        self.answering: asyncio.TaskGroup | None = None

    async def _tell(self, progress: llm.Progress) -> None:
        self.told.append((round(now(), 2), progress.model, progress.kind, round(progress.waited_ms)))

    async def _certain(self) -> None:
        await self.heard.wait()

    async def _ask(self, call: llm.ToolCall) -> None:
        if self._answers_after is None:
            return
        assert self.answering is not None
        self.answering.create_task(self._answer(call, self._answers_after))

    async def _answer(self, call: llm.ToolCall, seconds: float) -> None:
        await passed(seconds)
        self.tools.deliver(self._ledger.answer(llm.ToolResult(call.id, "done")))


@asynccontextmanager
async def asked(script: LlmScript, listener: Listener | None = None) -> AsyncIterator[Generation]:
    """A reply that is being written."""
    listener, client = listener or Listener(), ScriptedLlm(script)
    async with asyncio.TaskGroup() as tasks:
        listener.answering = tasks
        async with generation(client, llm.Config((), tools=(LIGHT,)), listener.tools, listener.waiting) as text:
            yield text
        assert client.calls == 0, "leaving the block ends the call"


Line = tuple[float, str]


async def read(text: Generation) -> list[Line]:
    """When each piece came, and what it was, until the end."""
    lines: list[Line] = []
    while True:
        piece = await text.next()
        match piece:
            case llm.Delta():
                lines.append((round(now(), 2), piece.text))
            case tts.SpeakNow():
                lines.append((round(now(), 2), "<speak now>"))
            case llm.ToolUse():
                lines.append((round(now(), 2), f"<{piece.name} gave {piece.content}>"))
            case llm.Ready():
                pass
            case llm.Finished():
                return lines
            case _:
                lines.append((round(now(), 2), f"<{piece}>"))


async def lines_of(script: LlmScript, listener: Listener | None = None) -> list[Line]:
    """The whole text of a reply."""
    async with asked(script, listener) as text:
        return await read(text)


def after(*seconds: float, text: str = "It is late.", progress: llm.Progress | None = None) -> LlmScript:
    """A model that says something after each pause; a sign of life comes every second of it where there is one."""

    async def script(_: Results) -> Events:
        for pause in seconds:
            end = now() + pause
            while progress is not None and end - now() > 1:
                await passed(1)
                yield progress
            await passed(end - now())
            yield llm.Delta(text)
        yield FINISHED

    return script


def calls_then(seconds: float, *, words: str = "", progress: bool = True) -> LlmScript:
    """A model that wants a function called, and needs some time when it has its result."""

    async def script(results: Results) -> Events:
        if words:
            yield llm.Delta(words)
        yield CALL
        await results.get()
        end = now() + seconds
        while progress and end - now() > 1:
            await passed(1)
            yield llm.Progress(WAITING)
        await passed(end - now())
        yield llm.Delta("The light is on.")
        yield FINISHED

    return script


@on_virtual_time
async def test_the_text_comes_as_it_is_written() -> None:
    assert await lines_of(after(0.2, 0.3)) == [(0.2, "It is late."), (0.5, "It is late.")]


@on_virtual_time
async def test_a_model_that_gives_signs_of_life_is_waited_for_as_long_as_they_come() -> None:
    script = after(300.0, progress=llm.Progress(WAITING, "slow"))
    assert await lines_of(script, Listener(filler="")) == [(300.0, "It is late.")]


@pytest.mark.parametrize("begun", [False, True])
@on_virtual_time
async def test_a_server_without_a_sign_of_life_is_dead_after_three_seconds(begun: bool) -> None:  # noqa: FBT001 - pytest names it
    script = after(2.9, 4.0) if begun else after(4.0)
    async with asked(script, Listener(filler="")) as text:
        if begun:
            await text.next()
        with pytest.raises(DeadlinePassed):
            await text.next()
        assert now() == pytest.approx(5.9 if begun else 3.0, abs=0.001)


@on_virtual_time
async def test_three_seconds_are_counted_from_the_last_sign() -> None:
    async def script(_: Results) -> Events:
        yield llm.Progress(WAITING)
        await passed(2.5)
        yield llm.Progress(WAITING)
        await asyncio.Event().wait()

    async with asked(script, Listener(filler="")) as text:
        with pytest.raises(DeadlinePassed):
            await text.next()
    assert now() == pytest.approx(5.5, abs=0.001)


@on_virtual_time
async def test_while_nobody_reads_no_sign_of_life_and_no_word_is_missed() -> None:
    async def script(_: Results) -> Events:
        yield llm.Delta("It ")
        yield llm.Delta("is late.")
        await asyncio.Event().wait()

    listener = Listener(filler="")
    async with asked(script, listener) as text:
        assert await text.next() == llm.Delta("It ")
        # As long as the TTS server takes no more.
        await passed(20)
        assert await text.next() == llm.Delta("is late.")
        assert listener.told == []
        with pytest.raises(DeadlinePassed):
            await text.next()
    assert now() == pytest.approx(23, abs=0.001)


@on_virtual_time
async def test_a_function_that_may_not_be_called_yet_holds_up_no_words() -> None:
    async def script(_: Results) -> Events:
        yield llm.Delta("Let me see.")
        yield CALL
        yield llm.Delta("Here it is.")
        yield FINISHED

    lines = await lines_of(script, Listener(hears=False))
    assert [text for _, text in lines] == ["Let me see.", "<speak now>", "Here it is."]


@on_virtual_time
async def test_a_stream_that_ends_without_saying_so_has_failed() -> None:
    async def script(_: Results) -> Events:
        yield llm.Delta("It is")

    async with asked(script) as text:
        assert await text.next() == llm.Delta("It is")
        with pytest.raises(EngineFailed, match="without saying so"):
            await text.next()


@on_virtual_time
async def test_what_was_written_before_a_failure_is_had_before_it() -> None:
    async def script(_: Results) -> Events:
        yield llm.Delta("It is")
        raise Overloaded("too many")

    async with asked(script) as text:
        await passed(1)
        assert await text.next() == llm.Delta("It is")
        with pytest.raises(Overloaded, match="too many"):
            await text.next()


@pytest.mark.parametrize("answers_after", [0.0, 0.5, 20.0])
@pytest.mark.parametrize("thinks_for", [0.2, 1.0, 2.9])
@on_virtual_time
async def test_whenever_a_function_answers_the_model_may_think_about_it(
    answers_after: float, thinks_for: float
) -> None:
    listener = Listener(filler="", answers_after=answers_after)
    lines = await lines_of(calls_then(thinks_for, progress=False), listener)
    assert lines == [(round(answers_after + thinks_for, 2), "The light is on.")]


@on_virtual_time
async def test_a_model_that_gives_no_sign_after_a_result_is_dead_three_seconds_after_it() -> None:
    async with asked(calls_then(60, progress=False), Listener(filler="", answers_after=10)) as text:
        with pytest.raises(DeadlinePassed):
            await text.next()
    assert now() == pytest.approx(13, abs=0.3)


@on_virtual_time
async def test_a_function_that_never_answers_is_waited_for_a_little_longer_than_the_server_does() -> None:
    async with asked(calls_then(0), Listener(filler="")) as text:
        with pytest.raises(DeadlinePassed):
            await text.next()
    assert now() == pytest.approx(35, abs=0.3)


@on_virtual_time
async def test_a_slow_model_is_covered_by_a_filler_after_a_second_and_a_half() -> None:
    script = after(5.0, progress=llm.Progress(WAITING))
    assert await lines_of(script) == [(1.5, "One moment. "), (1.5, "<speak now>"), (5.0, "It is late.")]


@on_virtual_time
async def test_a_model_that_pauses_within_its_words_gets_no_filler() -> None:
    script = after(0.1, 5.0, progress=llm.Progress(WAITING))
    assert await lines_of(script) == [(0.1, "It is late."), (5.1, "It is late.")]


@on_virtual_time
async def test_a_slow_function_is_covered_by_a_filler_after_seven_tenths_of_a_second() -> None:
    lines = await lines_of(calls_then(0.1), Listener(answers_after=2.0))
    assert lines == [(0.7, "One moment. "), (0.7, "<speak now>"), (2.1, "The light is on.")]


@on_virtual_time
async def test_a_slow_function_after_some_words_is_covered_after_three_seconds_and_set_apart() -> None:
    lines = await lines_of(calls_then(0.1, words="Let me see."), Listener(answers_after=4.0))
    assert lines == [
        (0.0, "Let me see."),
        (0.0, "<speak now>"),
        (3.0, " One moment. "),
        (3.0, "<speak now>"),
        (4.1, "The light is on."),
    ]


@on_virtual_time
async def test_a_function_that_answers_soon_needs_no_filler() -> None:
    assert await lines_of(calls_then(0.2), Listener(answers_after=0.6)) == [(0.8, "The light is on.")]


@on_virtual_time
async def test_a_filler_is_said_once_however_long_the_wait_is() -> None:
    lines = await lines_of(calls_then(8.0), Listener(answers_after=8.0))
    assert [text for _, text in lines] == ["One moment. ", "<speak now>", "The light is on."]


@on_virtual_time
async def test_nobody_is_told_to_wait_for_a_reply_that_is_held_back() -> None:
    listener = Listener(hears=False)
    lines = await lines_of(after(5.0, progress=llm.Progress(WAITING)), listener)
    assert lines == [(5.0, "It is late.")]
    assert listener.told == []


@on_virtual_time
async def test_who_may_hear_a_late_reply_is_told_at_once_that_there_is_something_to_wait_for() -> None:
    listener = Listener(hears=False)

    async def release() -> None:
        await passed(3.0)
        listener.heard.set()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(release())
        lines = await lines_of(after(5.0, progress=llm.Progress(WAITING)), listener)
    [(filled_at, filler), _, last] = lines
    assert filler == "One moment. "
    assert 3.0 <= filled_at <= 3.25
    assert last == (5.0, "It is late.")


@on_virtual_time
async def test_the_listener_is_told_once_who_is_waited_for_and_again_when_that_changes() -> None:
    async def script(_: Results) -> Events:
        for second, progress in enumerate(
            [
                llm.Progress(WAITING, "first"),
                llm.Progress(WAITING, "first"),
                llm.Progress(WAITING, "first"),
                llm.Progress(WAITING, "second"),
                llm.Progress(WAITING, "second"),
                llm.Progress(llm.ProgressKind.REASONING, "second"),
                llm.Progress(llm.ProgressKind.REASONING, "second"),
            ],
        ):
            await passed(0.5 + second - now())
            yield progress
        yield llm.Delta("It is late.")
        yield FINISHED

    listener = Listener()
    await lines_of(script, listener)
    assert [(model, kind) for _, model, kind, _ in listener.told] == [
        ("first", WAITING),
        ("second", WAITING),
        ("second", llm.ProgressKind.REASONING),
    ]
    for due, (at, _, _, waited_ms) in zip((1.5, 3.5, 5.5), listener.told, strict=True):
        assert due <= at <= due + 0.26
        assert waited_ms == round(at * 1_000)


@on_virtual_time
async def test_who_waits_for_a_function_is_not_told_of_the_model() -> None:
    listener = Listener(answers_after=4.0)
    await lines_of(calls_then(1.0), listener)
    assert listener.told == []


@on_virtual_time
async def test_a_model_that_is_slow_after_a_function_is_told_of_from_its_result_on() -> None:
    listener = Listener(answers_after=4.0)
    await lines_of(calls_then(3.0), listener)
    [(told_at, _, kind, _)] = listener.told
    assert kind is WAITING
    assert 5.5 <= told_at <= 5.8


@on_virtual_time
async def test_an_error_of_the_block_is_raised_as_it_is_and_ends_the_call() -> None:
    client, listener = ScriptedLlm(says("It is late.")), Listener()
    with pytest.raises(DeadlinePassed, match="no sound"):
        async with generation(client, llm.Config(()), listener.tools, listener.waiting):
            assert client.calls == 1
            raise DeadlinePassed("no sound")
    assert client.calls == 0


@given(
    pauses=st.lists(st.floats(0, 1), min_size=1, max_size=8),
    patience=st.lists(st.floats(0.001, 0.9), min_size=1, max_size=30),
)
@settings(deadline=None)
def test_a_wait_that_is_given_up_loses_nothing(pauses: list[float], patience: list[float]) -> None:
    async def read_with_little_patience() -> list[str]:
        async def script(_: Results) -> Events:
            for place, pause in enumerate(pauses):
                await passed(pause)
                yield llm.Delta(f"{place} ")
            yield FINISHED

        read_so_far: list[str] = []
        async with asked(script, Listener(filler="")) as text:
            for seconds in patience:
                with suppress(TimeoutError):
                    async with asyncio.timeout(seconds):
                        piece = await text.next()
                        if isinstance(piece, llm.Finished):
                            return read_so_far
                        assert isinstance(piece, llm.Delta)
                        read_so_far.append(piece.text)
            return read_so_far + [line for _, line in await read(text)]

    assert run(read_with_little_patience()) == [f"{place} " for place in range(len(pauses))]


@on_virtual_time
async def test_a_wait_that_is_given_up_between_a_filler_and_its_speaking_loses_neither() -> None:
    async with asked(after(4.0, progress=llm.Progress(WAITING))) as text:
        assert await text.next() == llm.Delta("One moment. ")
        with suppress(TimeoutError):
            async with asyncio.timeout(0):
                await asyncio.sleep(0)
        assert await text.next() == tts.SpeakNow()
        with suppress(TimeoutError):
            async with asyncio.timeout(1):
                await text.next()
        assert await text.next() == llm.Delta("It is late.")


@on_virtual_time
async def test_a_fixed_text_is_one_piece_and_its_end() -> None:
    text = FixedText("Hello there.")
    assert await text.next() == llm.Delta("Hello there.")
    assert isinstance(await text.next(), llm.Finished)
    assert isinstance(await text.next(), llm.Finished)
