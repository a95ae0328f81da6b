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
from llm_server.engine import Finish, Message, Role, ToolCall
from llm_server.tool_results import ToolResult
from parley.errors import EngineFailed, InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry import trace

    from llm_server.builtin_tools import BuiltinTool
    from llm_server.engine import Conversation, Engine, Tool
    from llm_server.tool_results import PendingResults

# How often a model may ask for functions in one reply; after that it has to speak.
_MOST_ROUNDS: Final = 5


class Output(Protocol):
    """Where a reply goes as it is written."""

    def text(self, text: str) -> None:
        """The next piece of it."""
        ...

    def tool_call(self, call: ToolCall) -> None:
        """The caller is to call a function."""
        ...


@dataclass(slots=True)
class _Round:
    """What a model has written until it ended or wanted functions called."""

    text: str = ""
    calls: list[ToolCall] = field(default_factory=list)
    finish: Finish | None = None


class ToolLoop:
    """Writes replies with one engine, and calls what its model wants called."""

    def __init__(
        self,
        engine: Engine,
        builtin_tools: tuple[BuiltinTool, ...],
        tracer: trace.Tracer,
        stopped: Callable[[float], None],
    ) -> None:
        """Ask `engine`; `stopped` is told how many seconds its work went on after the caller had left."""
        self._engine = engine
        self._builtin_tools = {each.tool.name: each for each in builtin_tools}
        self._tracer = tracer
        self._stopped = stopped

    def offer(self, conversation: Conversation) -> Conversation:
        """The conversation with the built-in functions; the caller's go before one of the same name.

        Raises:
            InvalidInput: the caller offers functions, and the engine cannot call any.
        """
        if conversation.tools and not self._engine.calls_tools:
            raise InvalidInput(f"the engine {self._engine.name} cannot call functions", field="config.tools")
        theirs = {tool.name for tool in conversation.tools}
        builtin = tuple(each.tool for name, each in self._builtin_tools.items() if name not in theirs)
        return replace(conversation, tools=(*conversation.tools, *builtin))

    async def run(self, conversation: Conversation, output: Output, results: PendingResults) -> Finish:
        """Have the model write, and its functions called, until it has no more to say.

        Raises:
            ParleyError: the engine failed, or the caller owes a result and has closed its half.
        """
        said, tokens = "", 0
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
            answers = await self._call_tools(calls, conversation.tools, output, results)
            calling = Message(Role.ASSISTANT, written.text, tool_calls=calls)
            conversation = replace(conversation, messages=(*conversation.messages, calling, *answers))
            if results.closed:
                conversation = replace(conversation, tools=self._builtin(conversation.tools))
        raise EngineFailed(f"the engine {self._engine.name} ended a reply without saying so")

    async def _round(self, conversation: Conversation, output: Output, said: str) -> _Round:
        """Pass on what the engine writes; `said` is what has been written before."""
        written, left = _Round(), 0.0
        try:
            async with aclosing(self._engine.reply(conversation)) as reply:
                try:
                    async for event in reply:
                        if isinstance(event, Finish):
                            written.finish = event
                            return written
                        if isinstance(event, ToolCall):
                            written.calls.append(event)
                        elif event.text:
                            apart = said and not written.text and not (said[-1] + event.text[0]).isspace()
                            written.text += event.text
                            output.text(f" {event.text}" if apart else event.text)
                except asyncio.CancelledError:
                    left = time.monotonic()
                    raise
        finally:
            if left:
                self._stopped(time.monotonic() - left)
        return written

    async def _call_tools(
        self, calls: tuple[ToolCall, ...], offers: tuple[Tool, ...], output: Output, results: PendingResults
    ) -> list[Message]:
        """The results of functions, those of the caller all at once."""
        async with asyncio.TaskGroup() as tasks:
            answers = [
                tasks.create_task(self._call_tool(each, offers, output, results), name=each.name) for each in calls
            ]
        return [
            Message(Role.TOOL, task.result().content, tool_call_id=each.id)
            for each, task in zip(calls, answers, strict=True)
        ]

    async def _call_tool(
        self, wanted: ToolCall, offers: tuple[Tool, ...], output: Output, results: PendingResults
    ) -> ToolResult:
        with self._tracer.start_as_current_span(f"execute_tool {wanted.name}") as span:
            span.set_attributes({"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": wanted.name})
            builtin = self._builtin_tools.get(wanted.name)
            if wanted.name not in {tool.name for tool in offers}:
                result = ToolResult(f"there is no function {wanted.name}", failed=True)
            elif builtin is not None and builtin.tool in offers:
                result = answer(builtin, wanted)
            else:
                results.expect(wanted)
                output.tool_call(wanted)
                result = await results.result(wanted)
            span.set_attribute("parley.failed", result.failed)
        return ToolResult(f"Error: {result.content}", failed=True) if result.failed else result

    def _builtin(self, tools: tuple[Tool, ...]) -> tuple[Tool, ...]:
        """Those of `tools` that the server calls itself."""
        return tuple(tool for tool in tools if tool in (each.tool for each in self._builtin_tools.values()))


def _with_own_id(call: ToolCall, taken: set[str]) -> ToolCall:
    """The call with an id that no other has: models may give none, or number those of each round from one."""
    name, number = call.id, 1
    while not name or name in taken:
        number += 1
        name = f"{call.id or 'call'}-{number}"
    taken.add(name)
    return replace(call, id=name)
