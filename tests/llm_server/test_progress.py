"""Signs of life while there is nothing to say, over a real port."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from llm_server.engine import Conversation, Delta, Finish, Progress, ProgressKind, StopReason, ToolCall
from llm_server.engines.scripted import ScriptedEngine
from parley import llm
from tests.llm_server.endpoint_rig import pass_by
from tests.llm_server.test_service import HELLO, asked, serving

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from llm_server.engine import ReplyEvent

SOON = 0.01
LIGHT = llm.Tool("light", "Switches a light.")


class Slow(ScriptedEngine):
    """Writes what it is told, round by round, and goes on past None when it is let go."""

    calls_tools = True
    ignores_instructions = False

    def __init__(self, *rounds: tuple[ReplyEvent | None, ...]) -> None:
        super().__init__("", 0, 0)
        self.rounds = list(rounds)
        self.go_on = asyncio.Event()

    async def reply(self, conversation: Conversation) -> AsyncGenerator[ReplyEvent, None]:
        assert conversation.messages
        for event in self.rounds.pop(0):
            if event is None:
                await self.go_on.wait()
                self.go_on.clear()
            else:
                yield event


async def some(events: AsyncIterator[llm.Event], kind: llm.ProgressKind) -> list[llm.Progress]:
    """The first three signs of life of a kind; what comes before them does not matter."""
    found: list[llm.Progress] = []
    async with asyncio.timeout(5):
        while len(found) < 3:
            event = await anext(events)
            if isinstance(event, llm.Progress) and event.kind is kind:
                found.append(event)
    return found


END = Finish(StopReason.STOP)


async def test_while_nothing_is_said_the_caller_is_told_what_is_waited_for() -> None:
    engine = Slow(
        (
            Progress(ProgressKind.QUEUED),
            None,
            Progress(ProgressKind.WAITING, "big@there"),
            None,
            Progress(ProgressKind.REASONING, "big@there"),
            None,
            Delta("Hello."),
            None,
            END,
        )
    )
    async with serving(engine, progress_seconds=SOON) as server, server.client.chat(llm.Config(HELLO)) as events:
        seen: list[llm.Progress] = []
        for kind in (
            llm.ProgressKind.QUEUED,
            llm.ProgressKind.WAITING,
            llm.ProgressKind.REASONING,
            # What it thought is over once it has written something.
            llm.ProgressKind.WAITING,
        ):
            seen += await some(events, kind)
            engine.go_on.set()
        rest = [event async for event in events]
    assert [event.model for event in seen] == [""] * 3 + ["big@there"] * 9
    waited = [event.waited_ms for event in seen]
    assert waited == sorted(waited)
    assert waited[0] >= SOON * 1000
    assert isinstance(rest[-1], llm.Finished)


async def test_signs_of_life_come_between_rounds_but_not_while_the_caller_owes_a_result() -> None:
    engine = Slow((ToolCall("a", "light", "{}"), Finish(StopReason.TOOL_CALLS)), (None, Delta("It is on."), END))
    results: asyncio.Queue[llm.ToolResult] = asyncio.Queue()

    async def given() -> AsyncIterator[llm.ToolResult]:
        while True:
            yield await results.get()

    config = llm.Config(HELLO, tools=(LIGHT,))
    async with serving(engine, progress_seconds=SOON) as server, server.client.chat(config, given()) as events:
        while not isinstance(await anext(events), llm.ToolCall):
            pass
        await pass_by(10 * SOON)
        results.put_nowait(llm.ToolResult("a", "done"))
        first, *_ = await some(events, llm.ProgressKind.WAITING)
        assert first.waited_ms >= 10 * SOON * 1000
        engine.go_on.set()
        text = "".join([event.text async for event in events if isinstance(event, llm.Delta)])
    assert text == "It is on."


async def test_a_reply_that_flows_has_no_signs_of_life_besides() -> None:
    async with serving(ScriptedEngine("word " * 200, 0, 0), progress_seconds=0.5) as server:
        events = await asked(server.client, llm.Config(HELLO))
    assert not [event for event in events if isinstance(event, llm.Progress)]


async def test_the_scripted_engine_says_what_it_is_told_to_wait_for() -> None:
    engine = ScriptedEngine("Hello.", 60, 0, ProgressKind.REASONING)
    async with serving(engine, progress_seconds=SOON) as server, server.client.chat(llm.Config(HELLO)) as events:
        await some(events, llm.ProgressKind.REASONING)


async def test_by_itself_the_server_gives_a_sign_of_life_at_least_once_a_second() -> None:
    async with serving(Slow((None, END)), progress_seconds=None) as server, server.client.chat(llm.Config(HELLO)) as it:
        first, second, third = await some(it, llm.ProgressKind.WAITING)
    assert first.waited_ms <= 1_000
    assert max(second.waited_ms - first.waited_ms, third.waited_ms - second.waited_ms) <= 1_000
