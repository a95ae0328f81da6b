"""The LLM server's requests and events as messages, and back. Knows nothing of calls."""

from __future__ import annotations

from typing import Final

from parley._convert import extract, fill, member
from parley.llm.events import Delta, Event, Finished, FinishReason, Progress, Ready, ToolUse
from parley.llm.requests import Config, Request
from parley.llm.session import CancelReminders, SessionAction, SessionState, SetGain, SetReminder, SetSpeed
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
    if name == "session_action":
        return _action_from_proto(response.session_action)
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
        session=_session_to_proto(config.session),
    )


def _session_to_proto(session: SessionState | None) -> llm_pb2.SessionState | None:
    return None if session is None else fill(llm_pb2.SessionState(), session)


def _action_from_proto(action: llm_pb2.SessionAction) -> SessionAction | None:
    match action.WhichOneof("action"):
        case "speed":
            return SetSpeed(action.speed)
        case "gain_db":
            return SetGain(action.gain_db)
        case "set_reminder":
            return extract(SetReminder, action.set_reminder)
        case "cancel_reminders":
            return extract(CancelReminders, action.cancel_reminders)
        case _:
            return None


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
