"""`LlmService`: one call for each reply."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from prometheus_client import Gauge, Histogram

from llm_server import responses
from llm_server.engine import Remote
from llm_server.requests import config_of, conversation_of, read_results
from llm_server.responses import ResponseWriter
from llm_server.tool_loop import ToolLoop
from llm_server.tool_results import PendingResults
from parley._duplex import first_of
from parley.errors import ParleyError
from parley.llm import SERVICE as LLM_SERVICE
from parley.v1 import llm_pb2, llm_pb2_grpc
from serving.admission import Slots
from serving.calls import Peer
from serving.grpc_server import statuses
from serving.status import EngineFacts
from serving.telemetry import clock_ns, content_allowed, context_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterable

    import grpc.aio
    from opentelemetry import trace

    from llm_server.builtin_tools import BuiltinTool
    from llm_server.engine import Conversation, Engine, Finish, Progress, ToolCall
    from llm_server.tool_results import ToolUse
    from serving.telemetry import Telemetry

    Requests = AsyncIterable[llm_pb2.ChatRequest]
    Context = grpc.aio.ServicerContext[llm_pb2.ChatRequest, llm_pb2.ChatResponse]
    ListContext = grpc.aio.ServicerContext[llm_pb2.ListModelsRequest, llm_pb2.ListModelsResponse]

SERVICE: Final = LLM_SERVICE

# The wire promises a second; the rest is for a network and a loop that are busy.
_PROGRESS_SECONDS: Final = 0.5
_CANCEL_BUCKETS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


@dataclass(slots=True)
class _Reply:
    """What goes out of one call, and what is measured of it."""

    writer: ResponseWriter
    span: trace.Span
    first_token: Histogram
    began: float = field(default_factory=time.monotonic)
    first_seconds: float = 0.0

    def text(self, text: str) -> None:
        if not self.first_seconds:
            self.first_seconds = time.monotonic() - self.began
            self.first_token.observe(self.first_seconds)
            self.span.add_event("first_token", timestamp=clock_ns())
        if content_allowed():
            self.span.add_event("parley.pii.delta", {"parley.pii.text": text})
        self.writer.put(text)

    def tool_call(self, call: ToolCall) -> None:
        self.writer.put(call)

    def tool_use(self, use: ToolUse) -> None:
        self.writer.put(use)

    def progress(self, progress: Progress | None) -> None:
        self.writer.progress(progress)


class LlmServicer(llm_pb2_grpc.LlmServiceServicer):
    """Writes replies."""

    def __init__(
        self,
        engine: Engine,
        telemetry: Telemetry,
        max_calls: int,
        builtin_tools: tuple[BuiltinTool, ...] = (),
        progress_seconds: float = _PROGRESS_SECONDS,
    ) -> None:
        """Share `engine` among at most `max_calls` calls; its model may use `builtin_tools` in each.

        After each `progress_seconds` in which nothing is said a caller is told what is waited for.
        """
        self._progress_seconds = progress_seconds
        self._engine = engine
        self._telemetry = telemetry
        self._first_token = telemetry.histogram("parley_llm_ttft_seconds", "From the request to the first text.")
        active = Gauge("parley_llm_calls_active", "Replies being written.", registry=telemetry.registry)
        self._slots = Slots(max_calls, active, "calls", retry_after_ms=500)
        cancel_to_idle = Histogram(
            "parley_cancel_to_idle_seconds",
            "From a caller's leaving to the end of the work.",
            ["service"],
            buckets=_CANCEL_BUCKETS,
            registry=telemetry.registry,
        )
        self._loop = ToolLoop(engine, builtin_tools, telemetry.tracer, cancel_to_idle.labels("llm").observe)

    def facts(self) -> EngineFacts:
        """What is known of the engine."""
        engine = self._engine
        problem = engine.problem if isinstance(engine, Remote) else ""
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
                    conversation, results = self._loop.offer(conversation_of(config)), PendingResults()
                    # Before there is a task that could cut it short: see `statuses`.
                    await peer.write(responses.ready(self._engine))
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
        return llm_pb2.ListModelsResponse(
            engine=self._engine.name,
            models=[llm_pb2.Model(name=each) for each in self._engine.models],
            problem=self.facts().problem,
            ignores_instructions=self._engine.ignores_instructions,
        )

    async def _reply(
        self,
        config: llm_pb2.ChatConfig,
        conversation: Conversation,
        results: PendingResults,
        peer: Peer[llm_pb2.ChatRequest, llm_pb2.ChatResponse],
    ) -> None:
        engine = self._engine
        parent = context_of(config.trace.traceparent)
        with self._telemetry.tracer.start_as_current_span("llm.chat", context=parent) as span:
            span.set_attributes(
                {
                    "gen_ai.operation.name": "chat",
                    "gen_ai.provider.name": f"parley.{engine.name}",
                    "gen_ai.request.model": engine.models[0],
                    "gen_ai.request.max_tokens": conversation.max_tokens,
                    "session.id": config.session_id,
                }
            )
            reply = _Reply(ResponseWriter(peer.write, self._progress_seconds), span, self._first_token)
            try:
                finish = await self._write(conversation, reply, results)
            except asyncio.CancelledError:
                span.set_attribute("parley.cancelled", True)  # noqa: FBT003 - OpenTelemetry's own order
                raise
            _note_usage(span, finish)
        await peer.write(responses.finished(finish, reply.first_seconds, time.monotonic() - reply.began))

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
            reply.writer.close()
        if isinstance(outcome, ParleyError):
            raise outcome
        return outcome


def _note_usage(span: trace.Span, finish: Finish) -> None:
    span.set_attributes(
        {
            **({"gen_ai.response.model": finish.model} if finish.model else {}),
            "gen_ai.usage.input_tokens": finish.prompt_tokens,
            "gen_ai.usage.output_tokens": finish.completion_tokens,
            "gen_ai.usage.cache_read.input_tokens": finish.cached_tokens,
            "parley.queue_ms": finish.queue_ms,
            "gen_ai.response.finish_reasons": [finish.reason.name.lower()],
        }
    )
