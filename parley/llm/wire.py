"""The LLM server's requests and events as messages, and back. Knows nothing of calls."""

from __future__ import annotations

from typing import Final

from parley._convert import extract, fill, member
from parley.llm.events import Delta, Event, Finished, FinishReason, Progress, Ready, ToolUse
from parley.llm.requests import Config, Request
from parley.llm.tools import ToolCall
from parley.v1 import audio_pb2, llm_pb2

SERVICE: Final = "parley.v1.LlmService"
"""Full name of the service."""

_EVENTS: Final[dict[str, type[Event]]] = {
    "ready": Ready,
    "delta": Delta,
    "tool_call": ToolCall,
    "tool_use": ToolUse,
    "progress": Progress,
}


def request_to_proto(request: Request) -> llm_pb2.ChatRequest:
    """A request as its message."""
    if isinstance(request, Config):
        return llm_pb2.ChatRequest(config=_config_to_proto(request))
    return llm_pb2.ChatRequest(tool_result=fill(llm_pb2.ToolResult(), request))


def event_from_proto(response: llm_pb2.ChatResponse) -> Event | None:
    """A message as an event; None for what a newer server may say and this version does not know."""
    name = response.WhichOneof("response")
    if name == "finished":
        return _finished_from_proto(response.finished)
    return None if name is None or name not in _EVENTS else extract(_EVENTS[name], getattr(response, name))


def _config_to_proto(config: Config) -> llm_pb2.ChatConfig:
    return llm_pb2.ChatConfig(
        messages=[fill(llm_pb2.ChatMessage(), message) for message in config.messages],
        max_tokens=config.max_tokens,
        temperature=config.temperature,
        top_p=config.top_p,
        seed=config.seed,
        trace=audio_pb2.TraceContext(traceparent=config.traceparent),
        session_id=config.session_id,
        tools=[fill(llm_pb2.ToolDefinition(), tool) for tool in config.tools],
    )


def _finished_from_proto(end: llm_pb2.ChatFinished) -> Finished:
    return Finished(
        reason=member(FinishReason, end.reason),
        prompt_tokens=end.prompt_tokens,
        completion_tokens=end.completion_tokens,
        cached_tokens=end.cached_tokens,
        queue_ms=end.timings.queue_ms,
        first_token_ms=end.timings.first_token_ms,
        total_ms=end.timings.total_ms,
        model=end.model,
    )
