"""The events of a streamed chat completion, read: what an endpoint has written, and what it wants called. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Final

from llm_server.engine import StopReason, ToolCall
from llm_server.engines.endpoints.failure import EndpointFailed

_REASONS: Final = {
    "stop": StopReason.STOP,
    "length": StopReason.LENGTH,
    "tool_calls": StopReason.TOOL_CALLS,
    "content_filter": StopReason.STOP,
}
# Where endpoints put what a model thinks aloud: vLLM, llama.cpp and DeepSeek; Ollama and OpenRouter.
_THOUGHTS: Final = ("reasoning_content", "reasoning")
_MOST_OF_A_BODY: Final = 200


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that an endpoint has counted."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Fragment:
    """A piece of a call of a function."""

    place: int | None
    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Chunk:
    """What one event brings."""

    text: str = ""
    thinks: bool = False
    """The model has thought aloud."""
    reason: StopReason | None = None
    usage: Usage | None = None
    calls: list[Fragment] = field(default_factory=list)


@dataclass(slots=True)
class _Begun:
    """A call of a function, as far as it has been written."""

    id: str = ""
    name: str = ""
    arguments: str = ""


class CallAssembler:
    """Puts calls of functions together, which come in fragments with the place of each."""

    def __init__(self) -> None:
        """No call yet."""
        self._begun: dict[int, _Begun] = {}

    def __bool__(self) -> bool:
        """True once a call has begun."""
        return bool(self._begun)

    def add(self, fragments: list[Fragment]) -> None:
        """Take the next ones."""
        for fragment in fragments:
            # Endpoints that send each call whole may leave its place out.
            place = len(self._begun) if fragment.place is None else fragment.place
            call = self._begun.setdefault(place, _Begun())
            call.id = call.id or fragment.id
            call.name += fragment.name
            call.arguments += fragment.arguments

    def whole(self, endpoint: str) -> list[ToolCall]:
        """The calls.

        Raises:
            EndpointFailed: one has no name.
        """
        found = [ToolCall(each.id or f"call-{place}", each.name, each.arguments) for place, each in self._begun.items()]
        if not all(call.name for call in found):
            raise EndpointFailed(f"{endpoint} wants a function called that it does not name")
        return found


def read_chunk(data: str, endpoint: str) -> Chunk:
    """An event's data, read.

    Raises:
        EndpointFailed: it is no JSON, or says that something failed.
    """
    try:
        event = json.loads(data)
    except json.JSONDecodeError as error:
        raise EndpointFailed(f"{endpoint} sends what is no JSON: {data[:_MOST_OF_A_BODY]}") from error
    if not isinstance(event, dict) or event.get("error"):
        raise EndpointFailed(f"{endpoint} says: {data[:_MOST_OF_A_BODY]}")
    try:
        return _read(event)
    except (AttributeError, KeyError, TypeError) as error:
        raise EndpointFailed(f"{endpoint} sends what is no chat completion: {data[:_MOST_OF_A_BODY]}") from error


def _read(event: dict[str, Any]) -> Chunk:
    # The last event of some endpoints has the usage and no choice.
    choice = (event.get("choices") or [{}])[0]
    delta = choice.get("delta") or {}
    ended = choice.get("finish_reason")
    return Chunk(
        text=delta.get("content") or "",
        thinks=any(delta.get(name) for name in _THOUGHTS),
        reason=_REASONS.get(ended, StopReason.STOP) if ended else None,
        usage=_usage(event.get("usage")),
        calls=[_fragment(each) for each in delta.get("tool_calls") or []],
    )


def _fragment(call: dict[str, Any]) -> Fragment:
    function = call.get("function") or {}
    return Fragment(
        call.get("index"), call.get("id") or "", function.get("name") or "", function.get("arguments") or ""
    )


def _usage(counted: dict[str, Any] | None) -> Usage | None:
    if not counted:
        return None
    cached = (counted.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
    return Usage(counted.get("prompt_tokens", 0), counted.get("completion_tokens", 0), cached)
