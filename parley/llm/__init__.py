"""Replies: what is said to the LLM server and what it says, and a client.

`requests`, `tools` and `events` are values that know nothing of calls, so that pure modules may import them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from parley._lazy import lazily
from parley.llm.events import Delta, Event, Finished, FinishReason, Models, Progress, ProgressKind, Ready, ToolUse
from parley.llm.requests import Config, Message, Request, Role
from parley.llm.tools import MAX_TOOLS, Tool, ToolCall, ToolResult, read_tools
from parley.llm.wire import SERVICE, event_from_proto, request_to_proto

if TYPE_CHECKING:
    from parley.llm.client import LlmClient

__all__ = [
    "MAX_TOOLS",
    "SERVICE",
    "Config",
    "Delta",
    "Event",
    "FinishReason",
    "Finished",
    "LlmClient",
    "Message",
    "Models",
    "Progress",
    "ProgressKind",
    "Ready",
    "Request",
    "Role",
    "Tool",
    "ToolCall",
    "ToolResult",
    "ToolUse",
    "event_from_proto",
    "read_tools",
    "request_to_proto",
]

__getattr__ = lazily(__name__, dict.fromkeys(("LlmClient",), "parley.llm.client"))
