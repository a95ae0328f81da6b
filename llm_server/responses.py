"""What goes out to the caller of one reply, in order; texts that wait share a message, for each has its price."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final

from llm_server.engine import Finish, StopReason, ToolCall
from parley.v1 import llm_pb2

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from llm_server.engine import Engine

    Write = Callable[[llm_pb2.ChatResponse], Awaitable[None]]

_REASONS: Final = {
    StopReason.STOP: llm_pb2.FINISH_REASON_STOP,
    StopReason.LENGTH: llm_pb2.FINISH_REASON_LENGTH,
    StopReason.TOOL_CALLS: llm_pb2.FINISH_REASON_TOOL_CALLS,
}


class ResponseWriter:
    """Texts and calls on their way out."""

    def __init__(self, write: Write) -> None:
        """Send by `write`, one message after the other."""
        self._write = write
        self._waiting: deque[str | ToolCall] = deque()
        self._news = asyncio.Event()
        self._closed = False

    def put(self, item: str | ToolCall) -> None:
        """Send this next."""
        self._waiting.append(item)
        self._news.set()

    def close(self) -> None:
        """Nothing more comes."""
        self._closed = True
        self._news.set()

    async def run(self) -> None:
        """Send what comes, until all is sent and nothing more comes."""
        while self._waiting or not self._closed:
            await self._news.wait()
            self._news.clear()
            while self._waiting:
                await self._write(self._next())

    def _next(self) -> llm_pb2.ChatResponse:
        first = self._waiting.popleft()
        if isinstance(first, ToolCall):
            call = llm_pb2.ToolCall(id=first.id, name=first.name, arguments_json=first.arguments_json)
            return llm_pb2.ChatResponse(tool_call=call)
        texts = [first]
        while self._waiting and isinstance(more := self._waiting[0], str):
            texts.append(more)
            self._waiting.popleft()
        return llm_pb2.ChatResponse(delta=llm_pb2.TextDelta(text="".join(texts)))


def ready(engine: Engine) -> llm_pb2.ChatResponse:
    """The first message: the call is admitted."""
    found = llm_pb2.ChatReady(engine=engine.name, model=engine.model, context_tokens=engine.context_tokens)
    return llm_pb2.ChatResponse(ready=found)


def finished(finish: Finish, first_seconds: float, total_seconds: float) -> llm_pb2.ChatResponse:
    """The last message: the reply is complete."""
    return llm_pb2.ChatResponse(
        finished=llm_pb2.ChatFinished(
            reason=_REASONS[finish.reason],
            prompt_tokens=finish.prompt_tokens,
            completion_tokens=finish.completion_tokens,
            cached_tokens=finish.cached_tokens,
            model=finish.model,
            timings=llm_pb2.LlmTimings(
                queue_ms=finish.queue_ms, first_token_ms=first_seconds * 1000, total_ms=total_seconds * 1000
            ),
        )
    )
