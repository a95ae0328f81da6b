"""The events of a streamed chat completion, read: whatever comes, it is a chunk, or the endpoint's failure. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from llm_server.engine import StopReason
from llm_server.engines.endpoints.calls import Fragment
from llm_server.engines.endpoints.failure import EndpointFailed
from llm_server.engines.endpoints.refusal import Refusal
from llm_server.engines.json_values import as_count, as_list, as_object, as_text, dump, load

if TYPE_CHECKING:
    from llm_server.engines.endpoints.endpoint import Endpoint

_REASONS: Final = {
    "stop": StopReason.STOP,
    "length": StopReason.LENGTH,
    "max_tokens": StopReason.LENGTH,
    "tool_calls": StopReason.TOOL_CALLS,
    "function_call": StopReason.TOOL_CALLS,
}
# Where endpoints put what a model thinks aloud: vLLM, llama.cpp and DeepSeek; Ollama and OpenRouter.
_THOUGHTS: Final = ("reasoning_content", "reasoning", "reasoning_details")
_MOST_OF_A_REFUSAL: Final = 16_384
_MOST_DIGITS: Final = 10
# Error codes, which are HTTP statuses, of endpoints that are well.
_TOO_MUCH: Final = frozenset({400, 413, 422})


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that an endpoint has counted."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Chunk:
    """What one event brings."""

    text: str = ""
    thinks: bool = False
    """The model has thought aloud."""
    reason: StopReason | None = None
    usage: Usage | None = None
    calls: tuple[Fragment, ...] = ()
    is_whole: bool = False
    """It is the whole reply, and no piece of it."""


def read_chunk(data: str, endpoint: Endpoint) -> Chunk:
    """An event's data, read. What has another type than it should counts as absent.

    Raises:
        EndpointFailed: it is no JSON, or says that something failed.
    """
    try:
        event = load(data)
    except ValueError:
        raise EndpointFailed(f"{endpoint.name} sends what is no JSON", said=endpoint.quoted(data)) from None
    event = as_object(next(iter(as_list(event)), None))
    # The last event of some endpoints has the usage and no choice.
    choice = as_object(next(iter(as_list(event.get("choices"))), None))
    error = _error(event, choice)
    if error:
        refusal = Refusal(data[:_MOST_OF_A_REFUSAL])
        is_well = refusal.is_too_long or as_count(as_object(error).get("code")) in _TOO_MUCH
        said = endpoint.quoted(data)
        raise EndpointFailed(f"{endpoint.name} says", is_well=is_well, refusal=refusal, said=said)
    return _read(choice, _usage(event.get("usage")))


def _error(event: dict[str, Any], choice: dict[str, Any]) -> object:
    """What an event says that has failed; false: nothing."""
    found = event.get("error") or choice.get("error")
    if found:
        return found
    if event.get("object") == "error" or choice.get("finish_reason") == "error":
        return event
    return "choices" not in event and (event.get("detail") or event.get("message"))


def _read(choice: dict[str, Any], usage: Usage | None) -> Chunk:
    delta, message = choice.get("delta"), choice.get("message")
    is_whole = not delta and isinstance(message, dict)
    written = as_object(message if is_whole else delta)
    text, thinks = _text(written.get("content"))
    ended = choice.get("finish_reason")
    reason = _REASONS.get(ended, StopReason.STOP) if isinstance(ended, str) and ended else None
    return Chunk(
        text=text or as_text(written.get("refusal")) or as_text(choice.get("text")),
        thinks=thinks or any(written.get(name) for name in _THOUGHTS),
        reason=StopReason.STOP if is_whole and reason is None else reason,
        usage=usage,
        calls=_calls(written),
        is_whole=is_whole,
    )


def _text(content: object) -> tuple[str, bool]:
    """The words of what may also come in parts, and whether a thought is among them."""
    text, thinks = "", False
    for part in as_list(content):
        if as_text(as_object(part).get("type")) in {"thinking", "reasoning", "reasoning_content"}:
            thinks = True
        else:
            inner = as_object(part).get("text", part)
            text += as_text(as_object(inner).get("value", inner))
    return text, thinks


def _calls(written: dict[str, Any]) -> tuple[Fragment, ...]:
    given = [as_object(each) for each in as_list(written.get("tool_calls"))]
    older = as_object(written.get("function_call"))
    return tuple(_fragment(each) for each in (*given, older) if each)


def _fragment(call: dict[str, Any]) -> Fragment:
    function = as_object(call.get("function")) or call
    given = function.get("arguments")
    place = as_text(call.get("index"))
    return Fragment(
        place=int(place) if place.isascii() and place.isdigit() and len(place) < _MOST_DIGITS else None,
        id=as_text(call.get("id")),
        name=as_text(function.get("name")),
        arguments=dump(given) if isinstance(given, dict) else as_text(given),
    )


def _usage(value: object) -> Usage | None:
    counted = as_object(value)
    if not counted:
        return None
    details = as_object(counted.get("prompt_tokens_details"))
    return Usage(
        as_count(counted.get("prompt_tokens")),
        as_count(counted.get("completion_tokens")),
        as_count(details.get("cached_tokens")),
    )
