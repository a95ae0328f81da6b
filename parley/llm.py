"""Client of the LLM server: a conversation goes up, pieces of a reply come down.

Knows nothing of speech.
"""

from __future__ import annotations

import enum
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from parley._channel import MAX_CHAT_MESSAGE_BYTES, open_channel
from parley._duplex import duplex
from parley.v1 import audio_pb2, llm_pb2, llm_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SERVICE = "parley.v1.LlmService"


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

    def to_proto(self) -> llm_pb2.ChatConfig:
        """The same on the wire."""
        messages = [
            llm_pb2.ChatMessage(
                role=message.role.value, text=message.text, interrupted=message.interrupted, unheard=message.unheard
            )
            for message in self.messages
        ]
        return llm_pb2.ChatConfig(
            messages=messages,
            max_tokens=self.max_tokens,
            temperature=self.temperature,
            trace=audio_pb2.TraceContext(traceparent=self.traceparent),
            session_id=self.session_id,
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
    queue_ms: float
    """Wait for the engine."""
    first_token_ms: float
    """From the request to the first piece of text."""
    total_ms: float
    """From the request to the end."""
    model: str = ""
    """Who answered, where the engine has several; empty: the model of `Ready`."""


Event = Ready | Delta | ToolCall | Finished


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
    async def chat(self, config: Config) -> AsyncIterator[AsyncIterator[Event]]:
        """Ask for a reply; leaving the block ends the model's work. The first event is `Ready`.

        Raises:
            ParleyError: the server refused, failed or went away; raised where the events are read.
        """
        async with duplex(self._stub.Chat, _requests(config), "llm") as responses:
            yield _events(responses)


async def _requests(config: Config) -> AsyncIterator[llm_pb2.ChatRequest]:
    yield llm_pb2.ChatRequest(config=config.to_proto())


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
        case "finished":
            end, times = response.finished, response.finished.timings
            return Finished(
                reason=FinishReason(end.reason),
                prompt_tokens=end.prompt_tokens,
                completion_tokens=end.completion_tokens,
                queue_ms=times.queue_ms,
                first_token_ms=times.first_token_ms,
                total_ms=times.total_ms,
                model=end.model,
            )
        case _:
            # A newer server may say what this client does not know.
            return None
