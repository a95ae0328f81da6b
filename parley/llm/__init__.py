"""Client of the LLM server: a conversation goes up, pieces of a reply come down.

Knows nothing of speech.
"""

from __future__ import annotations

import enum
import json
import re
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

import grpc.aio

from parley._channel import MAX_CHAT_MESSAGE_BYTES, open_channel
from parley._duplex import duplex
from parley.errors import InvalidInput, from_rpc
from parley.v1 import audio_pb2, llm_pb2, llm_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping

SERVICE = "parley.v1.LlmService"

MAX_TOOLS: Final = 64
"""Most functions that a model may be offered."""

_TOOL_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NO_ARGUMENTS: Final = '{"type": "object", "properties": {}}'


class Role(enum.Enum):
    """Who speaks in a message."""

    SYSTEM = llm_pb2.CHAT_ROLE_SYSTEM
    USER = llm_pb2.CHAT_ROLE_USER
    ASSISTANT = llm_pb2.CHAT_ROLE_ASSISTANT
    TOOL = llm_pb2.CHAT_ROLE_TOOL


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation."""

    role: Role
    """Who speaks."""
    text: str
    """The words; of the assistant's only those that were heard."""
    interrupted: bool = False
    """The user interrupted this reply."""
    unheard: str = ""
    """What was written of it and not heard."""
    tool_calls: tuple[ToolCall, ...] = ()
    """Of the assistant's: the functions that it wanted called."""
    tool_call_id: str = ""
    """Of a tool's: the call that it answers."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the model may call."""

    name: str
    """Letters, digits, `_` and `-`, at most 64."""
    description: str
    """What it does, for the model."""
    parameters_json_schema: str = ""
    """JSON Schema of its arguments; empty: it takes none."""


def read_tools(tools: Iterable[Tool], where: str) -> dict[str, Mapping[str, object]]:
    """The schema of the arguments of each function by its name; `where` is the field that has them.

    Raises:
        InvalidInput: a name or schema cannot be used, or there are too many.
    """
    found: dict[str, Mapping[str, object]] = {}
    for place, tool in enumerate(tools):
        if place == MAX_TOOLS:
            raise InvalidInput(f"more than {MAX_TOOLS} functions", field=where)
        if not _TOOL_NAME.fullmatch(tool.name) or tool.name in found:
            raise InvalidInput(
                f"the function name {tool.name!r}: letters, digits, _ and -, at most 64, each name once",
                field=f"{where}[{place}].name",
            )
        try:
            schema = json.loads(tool.parameters_json_schema or _NO_ARGUMENTS)
        except json.JSONDecodeError as error:
            field = f"{where}[{place}].parameters_json_schema"
            raise InvalidInput(f"the schema of {tool.name} is no JSON: {error}", field=field) from error
        if not isinstance(schema, dict):
            field = f"{where}[{place}].parameters_json_schema"
            raise InvalidInput(f"the schema of {tool.name} is no JSON object", field=field)
        found[tool.name] = schema
    return found


@dataclass(frozen=True, slots=True)
class ToolResult:
    """Answer to a `ToolCall`."""

    tool_call_id: str
    """The call that is answered."""
    content: str
    """What the function gave, text or JSON."""
    failed: bool = False
    """It failed, and `content` says why."""


@dataclass(frozen=True, slots=True)
class Config:
    """What is to be answered, and how."""

    messages: tuple[Message, ...]
    """The conversation, oldest first."""
    max_tokens: int = 0
    """Longest reply; 0: the server's default."""
    temperature: float | None = None
    """Randomness, 0 to 2; None: the engine's default."""
    traceparent: str = ""
    """Parent of the server's spans."""
    session_id: str = ""
    """Name for the server's logs."""
    tools: tuple[Tool, ...] = ()
    """Functions that the model may call; `chat` must then be given their results."""

    def to_proto(self) -> llm_pb2.ChatConfig:
        """The same on the wire."""
        messages = [
            llm_pb2.ChatMessage(
                role=message.role.value,
                text=message.text,
                interrupted=message.interrupted,
                unheard=message.unheard,
                tool_call_id=message.tool_call_id,
                tool_calls=[
                    llm_pb2.ToolCall(id=call.id, name=call.name, arguments_json=call.arguments_json)
                    for call in message.tool_calls
                ],
            )
            for message in self.messages
        ]
        return llm_pb2.ChatConfig(
            messages=messages,
            max_tokens=self.max_tokens,
            temperature=self.temperature,
            trace=audio_pb2.TraceContext(traceparent=self.traceparent),
            session_id=self.session_id,
            tools=[
                llm_pb2.ToolDefinition(
                    name=tool.name,
                    description=tool.description,
                    parameters_json_schema=tool.parameters_json_schema,
                )
                for tool in self.tools
            ],
        )


@dataclass(frozen=True, slots=True)
class Ready:
    """The call is admitted and the model is warm."""

    engine: str
    """Name of the engine."""
    model: str
    """Name of the model."""


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of the reply."""

    text: str
    """Joins to the next without anything between."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model wants a function called."""

    id: str
    """Name of this call."""
    name: str
    """Name of the function."""
    arguments_json: str
    """Arguments as a JSON object."""


class ProgressKind(enum.Enum):
    """What is waited for."""

    UNSPECIFIED = llm_pb2.PROGRESS_KIND_UNSPECIFIED
    QUEUED = llm_pb2.PROGRESS_KIND_QUEUED
    WAITING = llm_pb2.PROGRESS_KIND_WAITING
    REASONING = llm_pb2.PROGRESS_KIND_REASONING


@dataclass(frozen=True, slots=True)
class Progress:
    """Nothing to say yet, and why; comes at least once a second while the model is waited for."""

    kind: ProgressKind
    """What is waited for."""
    model: str = ""
    """Model that is waited for; empty: the one of `Ready`."""
    waited_ms: float = 0.0
    """Since the request."""


class FinishReason(enum.Enum):
    """Why a reply ended."""

    UNSPECIFIED = llm_pb2.FINISH_REASON_UNSPECIFIED
    STOP = llm_pb2.FINISH_REASON_STOP
    LENGTH = llm_pb2.FINISH_REASON_LENGTH
    TOOL_CALLS = llm_pb2.FINISH_REASON_TOOL_CALLS


@dataclass(frozen=True, slots=True)
class Finished:
    """The reply is complete."""

    reason: FinishReason
    """Why it ended."""
    prompt_tokens: int
    """Tokens of the conversation; 0: not counted."""
    completion_tokens: int
    """Tokens of the reply; 0: not counted."""
    cached_tokens: int
    """Tokens of the conversation that needed no computing."""
    queue_ms: float
    """Wait for the engine."""
    first_token_ms: float
    """From the request to the first piece of text."""
    total_ms: float
    """From the request to the end."""
    model: str = ""
    """Who answered, where the engine has several; empty: the model of `Ready`."""


Event = Ready | Delta | ToolCall | Progress | Finished


@dataclass(frozen=True, slots=True)
class Models:
    """What can answer."""

    engine: str
    """Name of the engine."""
    names: tuple[str, ...]
    """Models, in the order in which they are asked."""


class LlmClient:
    """Client of one LLM server, or of several behind one name."""

    def __init__(self, address: str) -> None:
        """Prepare a channel to `address` ("host:port"); it connects with the first call."""
        self._channel = open_channel(address, SERVICE, MAX_CHAT_MESSAGE_BYTES)
        self._stub: llm_pb2_grpc.LlmServiceAsyncStub = llm_pb2_grpc.LlmServiceStub(self._channel)

    async def __aenter__(self) -> Self:
        """Use the client as a block."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the channel."""
        await self.close()

    async def close(self) -> None:
        """End every call and close the channel."""
        await self._channel.close()

    @asynccontextmanager
    async def chat(
        self, config: Config, results: AsyncIterable[ToolResult] | None = None
    ) -> AsyncIterator[AsyncIterator[Event]]:
        """Ask for a reply; leaving the block ends the model's work. The first event is `Ready`.

        `results` answers each `ToolCall` that comes, in any order; it may go on until the block is left.

        Raises:
            ParleyError: the server refused, failed or went away; raised where the events are read.
        """
        async with duplex(self._stub.Chat, _requests(config, results), "llm") as responses:
            yield _events(responses)

    async def models(self) -> Models:
        """The engine and the models that can answer.

        Raises:
            ParleyError: the server cannot be reached within 3 seconds.
        """
        try:
            answer = await self._stub.ListModels(llm_pb2.ListModelsRequest(), timeout=3)
        except grpc.aio.AioRpcError as error:
            raise from_rpc(error, "llm") from error
        return Models(answer.engine, tuple(model.name for model in answer.models))


async def _requests(config: Config, results: AsyncIterable[ToolResult] | None) -> AsyncIterator[llm_pb2.ChatRequest]:
    yield llm_pb2.ChatRequest(config=config.to_proto())
    if results is None:
        return
    async for result in results:
        yield llm_pb2.ChatRequest(
            tool_result=llm_pb2.ToolResult(
                tool_call_id=result.tool_call_id, content=result.content, failed=result.failed
            )
        )


async def _events(responses: AsyncIterator[llm_pb2.ChatResponse]) -> AsyncIterator[Event]:
    async for response in responses:
        event = _from_proto(response)
        if event is not None:
            yield event


def _from_proto(response: llm_pb2.ChatResponse) -> Event | None:
    match response.WhichOneof("response"):
        case "ready":
            return Ready(response.ready.engine, response.ready.model)
        case "delta":
            return Delta(response.delta.text)
        case "tool_call":
            call = response.tool_call
            return ToolCall(call.id, call.name, call.arguments_json)
        case "progress":
            progress = response.progress
            return Progress(ProgressKind(progress.kind), progress.model, progress.waited_ms)
        case "finished":
            end, times = response.finished, response.finished.timings
            return Finished(
                reason=FinishReason(end.reason),
                prompt_tokens=end.prompt_tokens,
                completion_tokens=end.completion_tokens,
                cached_tokens=end.cached_tokens,
                queue_ms=times.queue_ms,
                first_token_ms=times.first_token_ms,
                total_ms=times.total_ms,
                model=end.model,
            )
        case _:
            # A newer server may say what this client does not know.
            return None
