"""What a client says to the LLM server.

Enums have the wire's numbers, which a test holds them to. Knows nothing of messages, calls or models.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from parley.llm.tools import Tool, ToolCall, ToolResult

if TYPE_CHECKING:
    from parley.llm.session import SessionState


class Role(enum.Enum):
    """Who speaks in a message."""

    SYSTEM = 1
    USER = 2
    ASSISTANT = 3
    TOOL = 4


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
class Config:
    """What is to be answered, and how."""

    messages: tuple[Message, ...]
    """The conversation, oldest first."""
    max_tokens: int = 0
    """Longest reply; 0: the server's default."""
    temperature: float | None = None
    """Randomness, 0 to 2; None: the server's default."""
    traceparent: str = ""
    """Parent of the server's spans."""
    session_id: str = ""
    """Name for the server's logs."""
    tools: tuple[Tool, ...] = ()
    """Functions that the model may call; `chat` must then be given their results."""
    top_p: float | None = None
    """Share of the probability that tokens are drawn from, above 0, at most 1; None: the server's default."""
    seed: int | None = None
    """Makes sampling repeatable where the engine can; None: the server's default."""
    session: SessionState | None = None
    """What the session is like, for a caller that carries out each `SessionAction`; None: it carries out none."""


Request = Config | ToolResult
"""The first is what is asked; what follows answers calls."""
