"""`LlmService`: one call for each reply."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from llm_server import responses
from llm_server.engine import ENGINES_OWN, Remote
from llm_server.metrics import LlmMetrics, follow
from llm_server.requests import config_of, conversation_of, read_results
from llm_server.responses import ResponseWriter
from llm_server.spans import ChatSpans
from llm_server.tool_loop import ToolLoop
from llm_server.tool_results import PendingResults
from parley._duplex import first_of
from parley.errors import ParleyError
from parley.llm import SERVICE as LLM_SERVICE
from parley.v1 import llm_pb2, llm_pb2_grpc
from serving.admission import Slots
from serving.call_status import statuses
from serving.calls import Peer
from serving.status import EngineFacts

if TYPE_CHECKING:
    from collections.abc import AsyncIterable

    import grpc.aio

    from llm_server.builtin_tools import BuiltinTool
    from llm_server.engine import Conversation, Engine, Finish, GaveUp, Progress, Sampling, ToolCall
    from llm_server.spans import ChatSpan
    from llm_server.tool_results import ToolUse
    from parley.llm import SessionAction
    from serving.metrics import Place
    from serving.telemetry import Telemetry

    Requests = AsyncIterable[llm_pb2.ChatRequest]
    Context = grpc.aio.ServicerContext[llm_pb2.ChatRequest, llm_pb2.ChatResponse]
    ListContext = grpc.aio.ServicerContext[llm_pb2.ListModelsRequest, llm_pb2.ListModelsResponse]

SERVICE: Final = LLM_SERVICE

# The wire promises a second; the rest is for a network and a loop that are busy.
_PROGRESS_SECONDS: Final = 0.5


@dataclass(slots=True)
class _Reply:
    """What goes out of one call, and what is measured of it."""

    writer: ResponseWriter
    span: ChatSpan
    metrics: LlmMetrics
    place: Place
    began: float = field(default_factory=time.monotonic)
    first_seconds: float = 0.0

    def text(self, text: str) -> None:
        self.place.begin()
        if not self.first_seconds:
            self.first_seconds = time.monotonic() - self.began
            self.metrics.first_text(self.first_seconds)
        self.span.text(text, self.first_seconds)
        self.writer.put(text)

    def tool_call(self, call: ToolCall) -> None:
        self.writer.put(call)

    def tool_use(self, use: ToolUse) -> None:
        self.writer.put(use)

    def session_action(self, action: SessionAction) -> None:
        self.writer.put(action)

    def progress(self, progress: Progress | None) -> None:
        follow(self.place, progress)
        self.span.works(works=progress is not None)
        self.writer.progress(progress)

    def finished(self, finish: Finish) -> None:
        self.writer.put(responses.finished(finish, self.first_seconds, time.monotonic() - self.began))

    def gave_up(self, failed: GaveUp) -> None:
        self.span.gave_up(failed)


class LlmServicer(llm_pb2_grpc.LlmServiceServicer):
    """Writes replies."""

    def __init__(  # noqa: PLR0913 - each is named where there are many
        self,
        engine: Engine,
        telemetry: Telemetry,
        max_calls: int,
        builtin_tools: tuple[BuiltinTool, ...] = (),
        progress_seconds: float = _PROGRESS_SECONDS,
        *,
        sampling: Sampling = ENGINES_OWN,
    ) -> None:
        """Share `engine` among at most `max_calls` calls; its model may use `builtin_tools` in each.

        Tokens are drawn as `sampling` says where a call does not.
        After each `progress_seconds` in which nothing is said a caller is told what is waited for.
        """
        self._progress_seconds = progress_seconds
        self._engine = engine
        self._sampling = sampling
        self._metrics = LlmMetrics(telemetry)
        self._spans = ChatSpans(telemetry, engine)
        self._slots = Slots(max_calls, self._metrics.calls, "calls", retry_after_ms=500)
        self._loop = ToolLoop(engine, builtin_tools, telemetry, self._metrics.stopped)

    def engine_wait(self) -> float:
        """How long the work has waited that waits longest for the engine, seconds."""
        return self._metrics.workload.wait_seconds

    def facts(self) -> EngineFacts:
        """What is known of the engine."""
        engine = self._engine
        problem = engine.problem or engine.backup_reason if isinstance(engine, Remote) else ""
        return EngineFacts(engine.name, next(iter(engine.models), ""), problem)

    async def Chat(  # type: ignore[override]  # noqa: N802 - grpc.aio also takes a coroutine that writes
        self, request_iterator: Requests, context: Context
    ) -> None:
        """Write one reply."""
        async with statuses(context):
            try:
                with self._slots.take():
                    peer = Peer(request_iterator, context)
                    config = config_of(await anext(peer, None))
                    conversation, results = self._loop.offer(conversation_of(config, self._sampling)), PendingResults()
                    # Before there is a task that could cut it short: see `statuses`.
                    await peer.write_later(responses.ready(self._engine))
                    async with asyncio.TaskGroup() as tasks:
                        reading = tasks.create_task(read_results(peer, results), name="read")
                        await self._reply(config, conversation, results, peer)
                        reading.cancel()
            except BaseExceptionGroup as group:
                raise first_of(group) from None

    async def ListModels(  # noqa: N802 - the name in the proto
        self, request: llm_pb2.ListModelsRequest, context: ListContext
    ) -> llm_pb2.ListModelsResponse:
        """The engine and its models."""
        del request, context
        engine, remote = self._engine, self._engine if isinstance(self._engine, Remote) else None
        return llm_pb2.ListModelsResponse(
            engine=engine.name,
            models=[llm_pb2.Model(name=each) for each in engine.models],
            problem=remote.problem if remote else "",
            ignores_instructions=engine.ignores_instructions,
            address=remote.address if remote else "",
            discovered=remote.discovered if remote else False,
            backup_reason=remote.backup_reason if remote else "",
        )

    async def _reply(
        self,
        config: llm_pb2.ChatConfig,
        conversation: Conversation,
        results: PendingResults,
        peer: Peer[llm_pb2.ChatRequest, llm_pb2.ChatResponse],
    ) -> None:
        parent = config.trace.traceparent or peer.traceparent
        with (
            self._spans.of(parent, conversation, self._slots.taken) as span,
            self._metrics.workload.place() as place,
        ):
            reply = _Reply(ResponseWriter(peer, self._progress_seconds), span, self._metrics, place)
            finish = await self._write(conversation, reply, results)
            span.finished(finish)

    async def _write(self, conversation: Conversation, reply: _Reply, results: PendingResults) -> Finish:
        """Have the reply written and send it as it comes; what was written before a failure goes out before it."""
        outcome: Finish | ParleyError
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(reply.writer.run(), name="send")
            try:
                outcome = await self._loop.run(conversation, reply, results)
            except ParleyError as error:
                outcome = error
            except ExceptionGroup as group:
                # Of the functions that were called side by side.
                first = first_of(group)
                if not isinstance(first, ParleyError):
                    raise
                outcome = first
            else:
                reply.finished(outcome)
            reply.writer.close()
        if isinstance(outcome, ParleyError):
            raise outcome
        return outcome
