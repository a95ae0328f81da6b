"""`LlmService`: one call for each reply. The only place in this server that knows the generated messages."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from prometheus_client import Gauge, Histogram

from llm_server.builtin_tools import Answers, OwnTool, Result, answer
from llm_server.engine import Conversation, Engine, Finish, Message, Role, StopReason, Tool, ToolCall
from llm_server.responses import Outbox
from parley._duplex import first_of
from parley.errors import EngineFailed, InvalidInput, TooLarge, WrongState
from parley.llm import SERVICE as LLM_SERVICE
from parley.llm import Tool as LlmTool
from parley.llm import read_tools
from parley.v1 import llm_pb2, llm_pb2_grpc
from serving.admission import Slots
from serving.grpc_server import statuses
from serving.telemetry import clock_ns, content_allowed, context_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator

    import grpc.aio
    from opentelemetry import trace

    from serving.telemetry import Telemetry

    Requests = AsyncIterable[llm_pb2.ChatRequest]
    Context = grpc.aio.ServicerContext[llm_pb2.ChatRequest, llm_pb2.ChatResponse]
    ListContext = grpc.aio.ServicerContext[llm_pb2.ListModelsRequest, llm_pb2.ListModelsResponse]

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
# How often a model may ask for functions in one reply; after that it has to speak.
_MOST_ROUNDS: Final = 5
_CANCEL_BUCKETS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


@dataclass(slots=True)
class _Call:
    """One call: what goes out, what comes in, and its span."""

    outbox: Outbox
    answers: Answers
    span: trace.Span
    began: float = field(default_factory=time.monotonic)
    first_seconds: float = 0.0


@dataclass(slots=True)
class _Round:
    """What a model has written until it ended or wanted functions called."""

    text: str = ""
    calls: list[ToolCall] = field(default_factory=list)
    finish: Finish | None = None


class LlmServicer(llm_pb2_grpc.LlmServiceServicer):
    """Writes replies."""

    def __init__(
        self, engine: Engine, telemetry: Telemetry, max_calls: int, own_tools: tuple[OwnTool, ...] = ()
    ) -> None:
        """Share `engine` among at most `max_calls` calls; its model may use `own_tools` in each."""
        self._engine = engine
        self._telemetry = telemetry
        self._own_tools = {own.tool.name: own for own in own_tools}
        self._first_token = telemetry.histogram("parley_llm_ttft_seconds", "From the request to the first text.")
        active = Gauge("parley_llm_calls_active", "Replies being written.", registry=telemetry.registry)
        self._slots = Slots(max_calls, active, "calls", retry_after_ms=500)
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
            try:
                with self._slots.take():
                    incoming = aiter(request_iterator)
                    config, answers = _config(await anext(incoming, None)), Answers()
                    async with asyncio.TaskGroup() as tasks:
                        reading = tasks.create_task(_read(incoming, answers), name="read")
                        await self._reply(config, answers, context)
                        reading.cancel()
            except BaseExceptionGroup as group:
                raise first_of(group) from None

    async def ListModels(  # noqa: N802 - the name in the proto
        self, request: llm_pb2.ListModelsRequest, context: ListContext
    ) -> llm_pb2.ListModelsResponse:
        """The engine and its models."""
        del request, context
        return llm_pb2.ListModelsResponse(engine=self._engine.name, models=[llm_pb2.Model(name=self._engine.model)])

    async def _reply(self, config: llm_pb2.ChatConfig, answers: Answers, context: Context) -> None:
        engine = self._engine
        conversation = self._with_own_tools(_conversation(config))
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
            call = _Call(Outbox(context.write), answers, span)
            try:
                async with asyncio.TaskGroup() as tasks:
                    sending = tasks.create_task(call.outbox.run(), name="send")
                    finish = await self._rounds(conversation, call)
                    call.outbox.close()
                    await sending
            except asyncio.CancelledError:
                span.set_attribute("parley.cancelled", True)  # noqa: FBT003 - OpenTelemetry's own order
                raise
            _note_usage(span, finish)
        await context.write(_finished(finish, call.first_seconds, time.monotonic() - call.began))

    def _with_own_tools(self, conversation: Conversation) -> Conversation:
        """The conversation with the functions that this server adds.

        Raises:
            InvalidInput: the caller offers functions, and the engine cannot call any.
        """
        if conversation.tools and not self._engine.calls_tools:
            raise InvalidInput(f"the engine {self._engine.name} cannot call functions", field="config.tools")
        theirs = {tool.name for tool in conversation.tools}
        own = tuple(each.tool for name, each in self._own_tools.items() if name not in theirs)
        return replace(conversation, tools=(*conversation.tools, *own))

    async def _rounds(self, conversation: Conversation, call: _Call) -> Finish:
        """Have the model write, and its functions called, until it has no more to say."""
        said, tokens = "", 0
        for rounds_left in reversed(range(_MOST_ROUNDS + 1)):
            asked = conversation if rounds_left else replace(conversation, tools=())
            written = await self._round(asked, call, said)
            finish = written.finish
            if finish is None:
                break
            tokens += finish.completion_tokens
            if not rounds_left or not written.calls:
                return replace(finish, completion_tokens=tokens)
            said += written.text
            results = await self._call_tools(conversation, written.calls, call)
            calling = Message(Role.ASSISTANT, written.text, tool_calls=tuple(written.calls))
            conversation = replace(conversation, messages=(*conversation.messages, calling, *results))
        raise EngineFailed(f"the engine {self._engine.name} ended a reply without saying so")

    async def _round(self, conversation: Conversation, call: _Call, said: str) -> _Round:
        """Send what the engine writes; `said` is what has been sent before."""
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
                            self._send(f" {event.text}" if apart else event.text, call)
                except asyncio.CancelledError:
                    left = time.monotonic()
                    raise
        finally:
            if left:
                self._cancel_to_idle.labels("llm").observe(time.monotonic() - left)
        return written

    def _send(self, text: str, call: _Call) -> None:
        if not call.first_seconds:
            call.first_seconds = time.monotonic() - call.began
            self._first_token.observe(call.first_seconds)
            call.span.add_event("first_token", timestamp=clock_ns())
        if content_allowed():
            call.span.add_event("parley.pii.delta", {"parley.pii.text": text})
        call.outbox.put(text)

    async def _call_tools(self, conversation: Conversation, calls: list[ToolCall], call: _Call) -> list[Message]:
        """The results of functions, those of the caller all at once."""
        offers = {tool.name for tool in conversation.tools}
        async with asyncio.TaskGroup() as tasks:
            results = [tasks.create_task(self._call_tool(each, offers, call), name=each.name) for each in calls]
        return [
            Message(Role.TOOL, task.result().content, tool_call_id=each.id)
            for each, task in zip(calls, results, strict=True)
        ]

    async def _call_tool(self, wanted: ToolCall, offers: set[str], call: _Call) -> Result:
        with self._telemetry.tracer.start_as_current_span(f"execute_tool {wanted.name}") as span:
            span.set_attributes({"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": wanted.name})
            own = self._own_tools.get(wanted.name)
            if wanted.name not in offers:
                result = Result(f"there is no function {wanted.name}", failed=True)
            elif own is not None:
                result = answer(own, wanted)
            else:
                call.outbox.put(wanted)
                result = await call.answers.result(wanted)
            span.set_attribute("parley.failed", result.failed)
        return Result(f"Error: {result.content}", failed=True) if result.failed else result


async def _read(requests: AsyncIterator[llm_pb2.ChatRequest], answers: Answers) -> None:
    """Read what else the caller sends; what this version does not know is ignored.

    Raises:
        WrongState: a second configuration.
        InvalidInput: a result that nobody waits for.
    """
    async for request in requests:
        match request.WhichOneof("request"):
            case "config":
                raise WrongState("a second configuration in one call", field="config")
            case "tool_result":
                result = request.tool_result
                answers.take(result.tool_call_id, Result(result.content, result.failed))
            case _:
                pass
    answers.close()


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
            Message(
                _ROLES[message.role],
                message.text,
                message.interrupted,
                message.unheard,
                tuple(ToolCall(call.id, call.name, call.arguments_json) for call in message.tool_calls),
                message.tool_call_id,
            )
            for message in config.messages
        ),
        max_tokens=config.max_tokens or _DEFAULT_MAX_TOKENS,
        temperature=temperature,
        seed=config.seed if config.HasField("seed") else None,
        session_id=config.session_id,
        tools=_tools(config),
    )


def _tools(config: llm_pb2.ChatConfig) -> tuple[Tool, ...]:
    """The functions that the caller offers, checked."""
    given = [LlmTool(tool.name, tool.description, tool.parameters_json_schema) for tool in config.tools]
    schemas = read_tools(given, "config.tools")
    return tuple(Tool(tool.name, tool.description, schemas[tool.name]) for tool in given)


def _finished(finish: Finish, first_seconds: float, total_seconds: float) -> llm_pb2.ChatResponse:
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
