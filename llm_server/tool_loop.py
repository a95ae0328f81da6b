"""The loop around a model: it writes, functions are called, and it is asked again with what they gave.

An engine knows only one round: it writes, and may end by wanting functions called. The server's own are answered on the
spot, the caller's go out and come back, all of a round side by side. Knows nothing of gRPC.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Protocol

from llm_server.builtin_tools import answer
from llm_server.engine import Delta, Finish, GaveUp, Message, Progress, ProgressKind, Role, ToolCall
from llm_server.session_tools import SessionDesk
from llm_server.spans import note_result, tool_span
from llm_server.tool_results import ToolResult, ToolUse
from parley.errors import EngineFailed, InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable

    from llm_server.builtin_tools import BuiltinTool
    from llm_server.engine import Conversation, Engine, ReplyEvent, Tool
    from llm_server.tool_results import PendingResults
    from parley.llm import SessionAction
    from serving.telemetry import Telemetry

# How often a model may ask for functions in one reply; after that it has to speak.
_MOST_ROUNDS: Final = 5
_ASKED: Final = Progress(ProgressKind.WAITING)


class Output(Protocol):
    """Where a reply goes as it is written."""

    def text(self, text: str) -> None:
        """The next piece of it."""
        ...

    def tool_call(self, call: ToolCall) -> None:
        """The caller is to call a function."""
        ...

    def tool_use(self, use: ToolUse) -> None:
        """One of the server's own functions was called."""
        ...

    def session_action(self, action: SessionAction) -> None:
        """The session is to be changed, or something begun in it."""
        ...

    def progress(self, progress: Progress | None) -> None:
        """What the model is doing, from now on; None: it waits for the caller."""
        ...

    def gave_up(self, failed: GaveUp) -> None:
        """One of several models has failed."""
        ...


@dataclass(slots=True)
class _Round:
    """What a model has written until it ended or wanted functions called."""

    said: str
    """What was written in the rounds before."""
    text: str = ""
    calls: list[ToolCall] = field(default_factory=list)
    finish: Finish | None = None
    _progress: Progress = _ASKED

    def take(self, event: ReplyEvent, output: Output) -> None:
        """Keep what comes of the engine, and pass it on."""
        match event:
            case Finish():
                self.finish = event
            case ToolCall():
                self.calls.append(event)
            case Progress():
                self._progress = event
                output.progress(event)
            case GaveUp():
                output.gave_up(event)
            case Delta(text) if text:
                apart = self.said and not self.text and not (self.said[-1] + text[0]).isspace()
                self.text += text
                output.text(f" {text}" if apart else text)
                if self._progress.kind is not ProgressKind.WAITING:
                    # Whatever it did before, now it writes.
                    self._progress = replace(self._progress, kind=ProgressKind.WAITING)
                    output.progress(self._progress)
            case Delta():
                pass
            case _:
                output.session_action(event)


@dataclass(frozen=True, slots=True)
class _Exchange:
    """What functions of one reply are called with."""

    offers: tuple[Tool, ...]
    """Those that may be."""
    output: Output
    """Where those of the caller go out."""
    results: PendingResults
    """Where what they gave comes in."""
    desk: SessionDesk
    """What those of the server's own do to the session."""


class ToolLoop:
    """Writes replies with one engine, and calls what its model wants called."""

    def __init__(
        self,
        engine: Engine,
        builtin_tools: tuple[BuiltinTool, ...],
        telemetry: Telemetry,
        stopped: Callable[[float], None],
    ) -> None:
        """Ask `engine`; `stopped` is told how many seconds its work went on after the caller had left."""
        self._engine = engine
        self._builtin_tools = {each.tool.name: each for each in builtin_tools}
        self._telemetry = telemetry
        self._stopped = stopped

    def offer(self, conversation: Conversation) -> Conversation:
        """The conversation with the built-in functions; the caller's go before one of the same name.

        Raises:
            InvalidInput: the caller offers functions, and the engine cannot call any.
        """
        if conversation.tools and not self._engine.calls_tools:
            raise InvalidInput(f"the engine {self._engine.name} cannot call functions", field="config.tools")
        if not self._engine.calls_tools:
            return conversation
        theirs = {tool.name for tool in conversation.tools}
        builtin = tuple(
            each.tool
            for name, each in self._builtin_tools.items()
            if name not in theirs and (conversation.session is not None or not each.needs_session)
        )
        return replace(conversation, tools=(*conversation.tools, *builtin))

    async def run(self, conversation: Conversation, output: Output, results: PendingResults) -> Finish:
        """Have the model write, and its functions called, until it has no more to say.

        Raises:
            ParleyError: the engine failed, or the caller has closed its half before any result.
        """
        said, tokens = "", 0
        exchange = _Exchange(conversation.tools, output, results, SessionDesk(conversation.session))
        ids = {call.id for message in conversation.messages for call in message.tool_calls}
        for rounds_left in reversed(range(_MOST_ROUNDS + 1)):
            asked = replace(conversation, tools=conversation.tools if rounds_left else ())
            written = await self._round(asked, output, said)
            finish = written.finish
            if finish is None:
                break
            tokens += finish.completion_tokens
            if not rounds_left or not written.calls:
                return replace(finish, completion_tokens=tokens)
            said += written.text
            calls = tuple(_with_own_id(call, ids) for call in written.calls)
            answers = await self._call_tools(calls, exchange)
            calling = Message(Role.ASSISTANT, written.text, tool_calls=calls)
            conversation = replace(conversation, messages=(*conversation.messages, calling, *answers))
        raise EngineFailed(f"the engine {self._engine.name} ended a reply without saying so")

    async def _round(self, conversation: Conversation, output: Output, said: str) -> _Round:
        """Pass on what the engine writes; `said` is what has been written before."""
        written, left = _Round(said), 0.0
        output.progress(_ASKED)
        try:
            async with aclosing(self._engine.reply(conversation)) as reply:
                try:
                    async for event in reply:
                        written.take(event, output)
                        if written.finish is not None:
                            break
                except asyncio.CancelledError:
                    left = time.monotonic()
                    raise
        finally:
            if left:
                self._stopped(time.monotonic() - left)
        return written

    async def _call_tools(self, calls: tuple[ToolCall, ...], exchange: _Exchange) -> list[Message]:
        """The results of functions, those of the caller all at once."""
        exchange.output.progress(None)
        async with asyncio.TaskGroup() as tasks:
            answers = [tasks.create_task(self._call_tool(each, exchange), name=each.name) for each in calls]
        return [
            Message(Role.TOOL, task.result().content, tool_call_id=each.id)
            for each, task in zip(calls, answers, strict=True)
        ]

    async def _call_tool(self, wanted: ToolCall, exchange: _Exchange) -> ToolResult:
        is_offered = wanted.name in {tool.name for tool in exchange.offers}
        with tool_span(self._telemetry, wanted, is_offered=is_offered) as span:
            builtin = self._builtin_tools.get(wanted.name)
            if not is_offered:
                result = ToolResult(f"there is no function {wanted.name}", failed=True)
            elif builtin is not None and builtin.tool in exchange.offers:
                result = answer(builtin, wanted, exchange.desk)
                exchange.output.tool_use(ToolUse(wanted, result))
                for action in exchange.desk.actions():
                    exchange.output.session_action(action)
            else:
                exchange.results.expect(wanted)
                if not exchange.results.closed:
                    exchange.output.tool_call(wanted)
                result = await exchange.results.result(wanted)
            note_result(span, result)
        return ToolResult(f"Error: {result.content}", failed=True) if result.failed else result


def _with_own_id(call: ToolCall, taken: set[str]) -> ToolCall:
    """The call with an id that no other has: models may give none, or number those of each round from one."""
    name, number = call.id, 1
    while not name or name in taken:
        number += 1
        name = f"{call.id or 'call'}-{number}"
    taken.add(name)
    return replace(call, id=name)
