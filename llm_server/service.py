"""`LlmService`: one call for each reply. The only place in this server that knows the generated messages."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from prometheus_client import Gauge, Histogram

from llm_server.engine import Conversation, Engine, Finish, Message, Role, StopReason
from parley._duplex import first_of
from parley.errors import EngineFailed, InvalidInput, Overloaded, TooLarge, WrongState
from parley.llm import SERVICE as LLM_SERVICE
from parley.v1 import llm_pb2, llm_pb2_grpc
from serving.grpc_server import statuses
from serving.telemetry import clock_ns, content_allowed, context_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator

    import grpc.aio
    from opentelemetry import trace

    from serving.telemetry import Telemetry

    Requests = AsyncIterable[llm_pb2.ChatRequest]
    Context = grpc.aio.ServicerContext[llm_pb2.ChatRequest, llm_pb2.ChatResponse]

SERVICE: Final = LLM_SERVICE

_DEFAULT_MAX_TOKENS: Final = 512
_MAX_BYTES: Final = 256 * 1024
_ROLES: Final = {
    llm_pb2.CHAT_ROLE_SYSTEM: Role.SYSTEM,
    llm_pb2.CHAT_ROLE_USER: Role.USER,
    llm_pb2.CHAT_ROLE_ASSISTANT: Role.ASSISTANT,
    llm_pb2.CHAT_ROLE_TOOL: Role.TOOL,
}
_REASONS: Final = {
    StopReason.STOP: llm_pb2.FINISH_REASON_STOP,
    StopReason.LENGTH: llm_pb2.FINISH_REASON_LENGTH,
    StopReason.TOOL_CALLS: llm_pb2.FINISH_REASON_TOOL_CALLS,
}
_CANCEL_BUCKETS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


class LlmServicer(llm_pb2_grpc.LlmServiceServicer):
    """Writes replies."""

    def __init__(self, engine: Engine, telemetry: Telemetry, max_calls: int) -> None:
        """Share `engine` among at most `max_calls` calls."""
        self._engine = engine
        self._telemetry = telemetry
        self._max_calls = max_calls
        self._calls = 0
        self._first_token = telemetry.histogram("parley_llm_ttft_seconds", "From the request to the first text.")
        self._active = Gauge("parley_llm_calls_active", "Replies being written.", registry=telemetry.registry)
        self._cancel_to_idle = Histogram(
            "parley_cancel_to_idle_seconds",
            "From a caller's leaving to the end of the work.",
            ["service"],
            buckets=_CANCEL_BUCKETS,
            registry=telemetry.registry,
        )

    async def Chat(  # type: ignore[override]  # noqa: N802 - grpc.aio also takes a coroutine that writes
        self, request_iterator: Requests, context: Context
    ) -> None:
        """Write one reply."""
        async with statuses(context):
            if self._calls >= self._max_calls:
                raise Overloaded(f"all {self._max_calls} calls are taken", retry_after_ms=500)
            self._calls += 1
            self._active.inc()
            try:
                incoming = aiter(request_iterator)
                config = _config(await anext(incoming, None))
                async with asyncio.TaskGroup() as tasks:
                    watching = tasks.create_task(_refuse_more(incoming), name="watch")
                    await self._reply(config, context)
                    watching.cancel()
            except BaseExceptionGroup as group:
                raise first_of(group) from None
            finally:
                self._calls -= 1
                self._active.dec()

    async def _reply(self, config: llm_pb2.ChatConfig, context: Context) -> None:
        conversation = _conversation(config)
        engine = self._engine
        ready = llm_pb2.ChatReady(engine=engine.name, model=engine.model, context_tokens=engine.context_tokens)
        await context.write(llm_pb2.ChatResponse(ready=ready))
        parent = context_of(config.trace.traceparent)
        with self._telemetry.tracer.start_as_current_span("llm.chat", context=parent) as span:
            span.set_attributes(
                {
                    "gen_ai.operation.name": "chat",
                    "gen_ai.provider.name": f"parley.{engine.name}",
                    "gen_ai.request.model": engine.model,
                    "gen_ai.request.max_tokens": conversation.max_tokens,
                    "session.id": config.session_id,
                }
            )
            try:
                await self._write(conversation, span, context)
            except asyncio.CancelledError:
                span.set_attribute("parley.cancelled", True)  # noqa: FBT003 - OpenTelemetry's own order
                raise

    async def _write(self, conversation: Conversation, span: trace.Span, context: Context) -> None:
        """Send the reply; pieces that come while a message is on its way share the next one, for each has its price."""
        waiting: deque[str] = deque()
        news = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(_send(waiting, news, context), name="send")
            began = time.monotonic()
            finish, first_seconds = await self._collect(conversation, span, waiting, news)
            waiting.append("")
            news.set()
            await sending
        _note_usage(span, finish)
        await context.write(_finished(finish, first_seconds, time.monotonic() - began))

    async def _collect(
        self, conversation: Conversation, span: trace.Span, waiting: deque[str], news: asyncio.Event
    ) -> tuple[Finish, float]:
        """Take what the engine writes; gives its end, and the seconds to the first piece."""
        began, first_seconds, left = time.monotonic(), 0.0, 0.0
        try:
            async with aclosing(self._engine.reply(conversation)) as reply:
                try:
                    async for event in reply:
                        if isinstance(event, Finish):
                            return event, first_seconds
                        if not event.text:
                            continue
                        if not first_seconds:
                            first_seconds = time.monotonic() - began
                            self._first_token.observe(first_seconds)
                            span.add_event("first_token", timestamp=clock_ns())
                        if content_allowed():
                            span.add_event("parley.pii.delta", {"parley.pii.text": event.text})
                        waiting.append(event.text)
                        news.set()
                except asyncio.CancelledError:
                    left = time.monotonic()
                    raise
        finally:
            if left:
                self._cancel_to_idle.labels("llm").observe(time.monotonic() - left)
        raise EngineFailed(f"the engine {self._engine.name} ended a reply without saying so")


async def _send(waiting: deque[str], news: asyncio.Event, context: Context) -> None:
    """Write what waits, until an empty piece says that there is no more."""
    ended = False
    while not ended:
        await news.wait()
        news.clear()
        ended = bool(waiting) and not waiting[-1]
        text = "".join(waiting)
        waiting.clear()
        if text:
            await context.write(llm_pb2.ChatResponse(delta=llm_pb2.TextDelta(text=text)))


async def _refuse_more(requests: AsyncIterator[llm_pb2.ChatRequest]) -> None:
    """Read what else the caller sends; what this version does not use is ignored.

    Raises:
        WrongState: a second configuration.
    """
    async for request in requests:
        if request.WhichOneof("request") == "config":
            raise WrongState("a second configuration in one call", field="config")


def _config(request: llm_pb2.ChatRequest | None) -> llm_pb2.ChatConfig:
    if request is None or request.WhichOneof("request") != "config":
        raise InvalidInput("the first request must be the configuration", field="config")
    return request.config


def _conversation(config: llm_pb2.ChatConfig) -> Conversation:
    """What is asked, checked."""
    if not config.messages:
        raise InvalidInput("a conversation needs at least one message", field="config.messages")
    if config.ByteSize() > _MAX_BYTES:
        raise TooLarge(f"a conversation of {config.ByteSize()} bytes: at most {_MAX_BYTES}", field="config.messages")
    for place, message in enumerate(config.messages):
        if message.role not in _ROLES:
            raise InvalidInput(f"message {place} has no role that is known", field=f"config.messages[{place}].role")
    temperature = config.temperature if config.HasField("temperature") else None
    if temperature is not None and not 0 <= temperature <= 2:  # noqa: PLR2004 - the bound in the proto
        raise InvalidInput(f"temperature {temperature:g}: from 0 to 2", field="config.temperature")
    return Conversation(
        messages=tuple(
            Message(_ROLES[message.role], message.text, message.interrupted, message.unheard)
            for message in config.messages
        ),
        max_tokens=config.max_tokens or _DEFAULT_MAX_TOKENS,
        temperature=temperature,
        seed=config.seed if config.HasField("seed") else None,
        session_id=config.session_id,
    )


def _finished(finish: Finish, first_seconds: float, total_seconds: float) -> llm_pb2.ChatResponse:
    return llm_pb2.ChatResponse(
        finished=llm_pb2.ChatFinished(
            reason=_REASONS[finish.reason],
            prompt_tokens=finish.prompt_tokens,
            completion_tokens=finish.completion_tokens,
            model=finish.model,
            timings=llm_pb2.LlmTimings(first_token_ms=first_seconds * 1000, total_ms=total_seconds * 1000),
        )
    )


def _note_usage(span: trace.Span, finish: Finish) -> None:
    span.set_attributes(
        {
            **({"gen_ai.response.model": finish.model} if finish.model else {}),
            "gen_ai.usage.input_tokens": finish.prompt_tokens,
            "gen_ai.usage.output_tokens": finish.completion_tokens,
            "gen_ai.response.finish_reasons": [finish.reason.name.lower()],
        }
    )
