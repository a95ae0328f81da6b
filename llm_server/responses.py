"""What goes out to the caller of one reply, in order; texts that wait share a message, for each has its price."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from llm_server.engine import Finish, Progress, ProgressKind, StopReason, ToolCall
from llm_server.tool_results import ToolUse
from parley._convert import fill
from parley.llm import CancelReminders, SetGain, SetReminder, SetSpeed
from parley.v1 import llm_pb2

if TYPE_CHECKING:
    from llm_server.engine import Engine
    from parley.llm import SessionAction
    from serving.calls import Peer

    Item = str | ToolCall | ToolUse | SessionAction | llm_pb2.ChatResponse

_REASONS: Final = {
    StopReason.STOP: llm_pb2.FINISH_REASON_STOP,
    StopReason.LENGTH: llm_pb2.FINISH_REASON_LENGTH,
    StopReason.TOOL_CALLS: llm_pb2.FINISH_REASON_TOOL_CALLS,
}
_KINDS: Final = {
    ProgressKind.QUEUED: llm_pb2.PROGRESS_KIND_QUEUED,
    ProgressKind.WAITING: llm_pb2.PROGRESS_KIND_WAITING,
    ProgressKind.REASONING: llm_pb2.PROGRESS_KIND_REASONING,
}


class ResponseWriter:
    """Texts and calls on their way out, and signs of life while the model is waited for.

    What is written in one turn of the loop goes together after it: each message costs both sides, and the listener of
    a reply that comes at once would wait for the message after the first word.
    """

    def __init__(self, peer: Peer[llm_pb2.ChatRequest, llm_pb2.ChatResponse], progress_seconds: float) -> None:
        """Send to `peer`, one after the other; after each `progress_seconds` of silence, what is waited for."""
        self._peer = peer
        self._progress_seconds = progress_seconds
        self._began = self._silent_since = time.monotonic()
        self._waiting: deque[Item] = deque()
        self._progress: Progress | None = None
        self._news = asyncio.Event()
        self._closed = self._is_writing = False

    def put(self, item: Item) -> None:
        """Send this next."""
        self._waiting.append(item)
        self._news.set()

    def progress(self, progress: Progress | None) -> None:
        """What is waited for, from now on; None: not for the model, so there are no signs of life to give."""
        if self._progress is None:
            self._silent_since = time.monotonic()
            self._news.set()
        self._progress = progress

    def close(self) -> None:
        """Nothing more comes: what waits need not wait for company."""
        self._push()
        self._closed = True
        self._news.set()

    async def run(self) -> None:
        """Send what comes, until all is sent and nothing more comes."""
        while self._waiting or not self._closed:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._left()):
                    await self._news.wait()
            self._news.clear()
            if self._left() == 0 and not self._waiting:
                await self._send(self._sign_of_life())
            self._push()
            while self._waiting:
                await self._send(self._next())

    def _push(self) -> None:
        """Send together what can go at once, and after all that was written before."""
        responses: list[llm_pb2.ChatResponse] = []
        while self._waiting and not self._is_writing and len(responses) < self._peer.room:
            responses.append(self._next())
        if responses:
            self._peer.push(*responses)
            self._silent_since = time.monotonic()

    async def _send(self, response: llm_pb2.ChatResponse) -> None:
        self._is_writing = True
        await self._peer.write(response)
        self._is_writing = False
        self._silent_since = time.monotonic()

    def _left(self) -> float | None:
        """Seconds until a sign of life is due."""
        if self._progress is None:
            return None
        return max(0.0, self._silent_since + self._progress_seconds - time.monotonic())

    def _sign_of_life(self) -> llm_pb2.ChatResponse:
        progress = self._progress or Progress(ProgressKind.WAITING)
        waited_ms = (time.monotonic() - self._began) * 1000
        found = llm_pb2.ChatProgress(kind=_KINDS[progress.kind], model=progress.model, waited_ms=waited_ms)
        return llm_pb2.ChatResponse(progress=found)

    def _next(self) -> llm_pb2.ChatResponse:
        first = self._waiting.popleft()
        if isinstance(first, llm_pb2.ChatResponse):
            return first
        if isinstance(first, ToolCall):
            call = llm_pb2.ToolCall(id=first.id, name=first.name, arguments_json=first.arguments_json)
            return llm_pb2.ChatResponse(tool_call=call)
        if isinstance(first, ToolUse):
            return llm_pb2.ChatResponse(tool_use=_tool_use(first))
        if not isinstance(first, str):
            return llm_pb2.ChatResponse(session_action=_session_action(first))
        texts = [first]
        while self._waiting and isinstance(more := self._waiting[0], str):
            texts.append(more)
            self._waiting.popleft()
        return llm_pb2.ChatResponse(delta=llm_pb2.TextDelta(text="".join(texts)))


def ready(engine: Engine) -> llm_pb2.ChatResponse:
    """The first message: the call is admitted."""
    found = llm_pb2.ChatReady(engine=engine.name, model=engine.models[0], context_tokens=engine.context_tokens)
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


def _tool_use(use: ToolUse) -> llm_pb2.ToolUse:
    call, result = use.call, use.result
    return llm_pb2.ToolUse(
        name=call.name, arguments_json=call.arguments_json, content=result.content, failed=result.failed
    )


def _session_action(action: SessionAction) -> llm_pb2.SessionAction:
    match action:
        case SetSpeed():
            return llm_pb2.SessionAction(speed=action.speed)
        case SetGain():
            return llm_pb2.SessionAction(gain_db=action.gain_db)
        case SetReminder():
            return llm_pb2.SessionAction(set_reminder=fill(llm_pb2.SetReminder(), action))
        case CancelReminders():
            return llm_pb2.SessionAction(cancel_reminders=llm_pb2.CancelReminders(ids=action.ids))
