"""A function that was called belongs to the conversation: it is not called again, and the model knows what it gave."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from edge_gateway.reply.chat_history import NO_ANSWER
from llm_server.engine import Conversation, Delta, Finish, ReplyEvent, Role, StopReason, ToolCall
from parley import llm
from parley.conversation import (
    CancelReply,
    ErrorEvent,
    FlushPlayback,
    Outcome,
    ReplyStarted,
    SessionConfig,
    ToolRequest,
    TurnReport,
    TurnTaking,
    UserText,
    UserUtterance,
)
from tests.edge_gateway.rig import SILENCE, Caller, Listener, Script, Writer, house, listening

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

BOOK = llm.Tool("book_table", "Books a table. Costs money.", '{"type": "object", "properties": {}}')
CONFIG = SessionConfig(tools=(BOOK,), turn_taking=TurnTaking(head_start=False))
CALL = ToolCall("c1", "book_table", '{"when": "eight"}')
BOOKED = "booked, number 1234"
SHORT, LONG = (
    "Your table is booked.",
    "Your table is booked, and they are looking forward to seeing you at eight o'clock.",
)


class Waiter(Writer):
    """Books a table unless it is told that it was booked, and needs a while to say so."""

    calls_tools = True

    def __init__(self, says: str = SHORT, *, pause_seconds: float = 0.0) -> None:
        super().__init__(says, pause_seconds)

    async def reply(self, conversation: Conversation) -> AsyncGenerator[ReplyEvent, None]:
        if any(message.role is Role.TOOL for message in conversation.messages):
            async for event in super().reply(conversation):
                yield event
            return
        self.asked.append(conversation)
        yield CALL
        yield Finish(StopReason.TOOL_CALLS)


def requests(listener: Listener) -> list[ToolRequest]:
    return [event for event in listener.events if isinstance(event, ToolRequest)]


def errors(listener: Listener) -> list[ErrorEvent]:
    return [event for event in listener.events if isinstance(event, ErrorEvent)]


def told(conversation: Conversation) -> list[tuple[Role, str]]:
    """What the model was told, and that each result has its call before it."""
    called: set[str] = set()
    for message in conversation.messages:
        called |= {call.id for call in message.tool_calls}
        assert message.role is not Role.TOOL or message.tool_call_id in called
    answered = {message.tool_call_id for message in conversation.messages if message.role is Role.TOOL}
    assert called == answered, "every call has its result"
    return [(message.role, message.text) for message in conversation.messages if message.role is not Role.SYSTEM]


@pytest.mark.parametrize("model_seconds", [0.2, 1.0])
@pytest.mark.parametrize("function_seconds", [0.0, 0.3, 1.0])
async def test_a_reply_is_spoken_however_long_function_and_model_take(
    function_seconds: float, model_seconds: float
) -> None:
    writer = Waiter(pause_seconds=model_seconds)
    async with house(Script(writer=writer)) as parley, listening(parley, CONFIG) as listener:
        await listener.send(UserText("Book a table at eight."))
        request = await listener.until(ToolRequest)
        loop, answered = asyncio.get_running_loop(), asyncio.Event()
        loop.call_later(function_seconds, answered.set)
        await answered.wait()
        await listener.send(llm.ToolResult(request.call.id, BOOKED))
        report = await listener.until(TurnReport)
    assert report.outcome is Outcome.COMPLETED
    assert report.heard.removeprefix("One moment. ") == SHORT
    assert not errors(listener)


async def test_words_that_are_added_before_the_reply_is_heard_call_nothing_again() -> None:
    writer = Waiter(pause_seconds=1.0)
    async with house(Script(writer=writer)) as parley, listening(parley, CONFIG) as listener:
        await listener.send(UserText("Book a table at eight."))
        request = await listener.until(ToolRequest)
        await listener.send(llm.ToolResult(request.call.id, BOOKED))
        while len(writer.asked) < 2:
            await asyncio.sleep(0)
        await listener.send(UserText("By the window, please."))
        report = await listener.until(TurnReport, lambda report: report.turn == 2)
    assert len(requests(listener)) == 1
    assert (report.outcome, report.heard) == (Outcome.COMPLETED, SHORT)
    assert told(writer.asked[-1]) == [
        (Role.USER, "Book a table at eight. By the window, please."),
        (Role.ASSISTANT, ""),
        (Role.TOOL, BOOKED),
    ]


@pytest.mark.parametrize("answered", ["before the word", "after the word"])
async def test_a_word_that_is_spoken_while_a_function_works_calls_nothing_again(answered: str) -> None:
    writer = Waiter(pause_seconds=1.0)
    script = Script(heard=("book a table at eight", "please"), writer=writer)
    async with house(script) as parley, listening(parley, CONFIG) as listener:
        await listener.say_something()
        request = await listener.until(ToolRequest)
        if answered == "before the word":
            await listener.send(llm.ToolResult(request.call.id, BOOKED))
        await listener.speak(0.4)
        await listener.speak(1.4, SILENCE)
        await listener.until(UserUtterance, lambda utterance: utterance.turn == 2)
        if answered == "after the word":
            await listener.send(llm.ToolResult(request.call.id, BOOKED))
        report = await listener.until(TurnReport, lambda report: report.turn == 2)
        await listener.send(UserText("Is it booked?"))
        await listener.until(TurnReport, lambda report: report.turn == 3)
    assert len(requests(listener)) == 1
    assert (report.outcome, report.heard) == (Outcome.COMPLETED, SHORT)
    assert told(writer.asked[-1]) == [
        (Role.USER, "book a table at eight please"),
        (Role.ASSISTANT, ""),
        (Role.TOOL, BOOKED),
        (Role.ASSISTANT, SHORT),
        (Role.USER, "Is it booked?"),
    ]
    assert not errors(listener)


async def test_a_model_that_wants_the_same_again_for_added_words_gets_the_result_that_is_on_its_way() -> None:
    writer = Caller((CALL,), (CALL,), (Delta(SHORT),))
    async with house(Script(writer=writer)) as parley, listening(parley, CONFIG) as listener:
        await listener.send(UserText("Book a table at eight."))
        request = await listener.until(ToolRequest)
        await listener.send(UserText("Please."))
        while len(writer.asked) < 2:
            await asyncio.sleep(0)
        await listener.send(llm.ToolResult(request.call.id, BOOKED))
        report = await listener.until(TurnReport, lambda report: report.turn == 2)
    assert len(requests(listener)) == 1
    assert report.heard.removeprefix("One moment. ") == SHORT
    assert writer.asked[-1].messages[-1].text == BOOKED


@pytest.mark.parametrize("late", [True, False])
async def test_a_result_that_comes_when_its_reply_is_over_is_in_the_next_request(late: bool) -> None:  # noqa: FBT001 - pytest names it
    writer = Waiter(LONG)
    async with house(Script(writer=writer)) as parley, listening(parley, CONFIG) as listener:
        await listener.send(UserText("Book a table at eight."))
        request = await listener.until(ToolRequest)
        await listener.send(CancelReply())
        cancelled = await listener.until(TurnReport)
        if late:
            await listener.send(llm.ToolResult(request.call.id, BOOKED))
        await listener.send(UserText("What about my table?"))
        await listener.until(TurnReport, lambda report: report.turn == 2)
    assert cancelled.outcome is Outcome.CANCELLED
    assert len(requests(listener)) == 1
    assert told(writer.asked[-1]) == [
        (Role.USER, "Book a table at eight. What about my table?"),
        (Role.ASSISTANT, ""),
        (Role.TOOL, BOOKED if late else NO_ANSWER),
    ]


async def test_a_function_stands_before_the_words_of_its_reply_that_were_heard() -> None:
    writer = Waiter(LONG)
    script = Script(writer=writer, character_seconds=0.05)
    async with house(script) as parley, listening(parley, CONFIG) as listener:
        await listener.send(UserText("Book a table at eight."))
        request = await listener.until(ToolRequest)
        await listener.send(llm.ToolResult(request.call.id, BOOKED))
        await listener.until(ReplyStarted)
        while len(listener.packets) < 60:
            await listener.next()
        writer.say(SHORT)
        await listener.send(UserText("Thank you."))
        await listener.until(FlushPlayback)
        report = await listener.until(TurnReport)
        await listener.until(TurnReport, lambda report: report.turn == 2)
    assert report.outcome is Outcome.INTERRUPTED
    assert report.heard
    assert LONG.startswith(report.heard)
    assert told(writer.asked[-1]) == [
        (Role.USER, "Book a table at eight."),
        (Role.ASSISTANT, ""),
        (Role.TOOL, BOOKED),
        (Role.ASSISTANT, report.heard),
        (Role.USER, "Thank you."),
    ]
