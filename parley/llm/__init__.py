"""Replies: what is said to the LLM server and what it says, and a client.

`requests`, `session`, `tools` and `events` are values that know nothing of calls, so that pure modules may import them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from parley._lazy import lazily
from parley.llm.events import Delta, Event, Finished, FinishReason, Models, Progress, ProgressKind, Ready, ToolUse
from parley.llm.requests import Config, Message, Request, Role
from parley.llm.session import (
    GAINS_DB,
    LONGEST_REMINDER_LABEL,
    LONGEST_REMINDER_SECONDS,
    LONGEST_REMINDER_TEXT,
    MOST_REMINDERS,
    SPEEDS,
    CancelReminders,
    Reminder,
    SessionAction,
    SessionState,
    SetGain,
    SetReminder,
    SetSpeed,
    within,
)
from parley.llm.tools import MAX_TOOLS, Tool, ToolCall, ToolResult, read_tools
from parley.llm.wire import SERVICE, event_from_proto, request_to_proto

if TYPE_CHECKING:
    from parley.llm.client import LlmClient

__all__ = [
    "GAINS_DB",
    "LONGEST_REMINDER_LABEL",
    "LONGEST_REMINDER_SECONDS",
    "LONGEST_REMINDER_TEXT",
    "MAX_TOOLS",
    "MOST_REMINDERS",
    "SERVICE",
    "SPEEDS",
    "CancelReminders",
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
    "Reminder",
    "Request",
    "Role",
    "SessionAction",
    "SessionState",
    "SetGain",
    "SetReminder",
    "SetSpeed",
    "Tool",
    "ToolCall",
    "ToolResult",
    "ToolUse",
    "event_from_proto",
    "read_tools",
    "request_to_proto",
    "within",
]

__getattr__ = lazily(__name__, dict.fromkeys(("LlmClient",), "parley.llm.client"))
