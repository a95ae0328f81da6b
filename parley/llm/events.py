"""What the LLM server says of a reply.

Enums have the wire's numbers, which a test holds them to. Knows nothing of messages, calls or models.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from parley.llm.session import SessionAction
from parley.llm.tools import ToolCall


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


class ProgressKind(enum.Enum):
    """What is waited for."""

    UNSPECIFIED = 0
    QUEUED = 1
    WAITING = 2
    REASONING = 3


@dataclass(frozen=True, slots=True)
class Progress:
    """Nothing to say yet, and why; comes at least once a second while the model is waited for."""

    kind: ProgressKind
    """What is waited for."""
    model: str = ""
    """Model that is waited for; empty: the one of `Ready`."""
    waited_ms: float = 0.0
    """Since the request."""


@dataclass(frozen=True, slots=True)
class ToolUse:
    """One of the server's own functions was called; nobody is to answer this."""

    name: str
    """Name of the function."""
    arguments_json: str
    """Arguments, a JSON object."""
    content: str
    """What it gave."""
    failed: bool
    """It failed, and `content` says why."""


class FinishReason(enum.Enum):
    """Why a reply ended."""

    UNSPECIFIED = 0
    STOP = 1
    LENGTH = 2
    TOOL_CALLS = 3


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


Event = Ready | Delta | ToolCall | ToolUse | SessionAction | Progress | Finished


@dataclass(frozen=True, slots=True)
class Models:
    """What can answer."""

    engine: str
    """Name of the engine."""
    names: tuple[str, ...]
    """Models, in the order in which they are asked."""
    problem: str = ""
    """Why none of them can answer at the moment, as far as is known; empty: nothing is known."""
    ignores_instructions: bool = False
    """It answers by itself, whatever it is instructed to do."""
    address: str = ""
    """Host and port of the endpoint that has the first one; empty: the server has it itself."""
    discovered: bool = False
    """That endpoint was found on the server's machine, and no setting of the user's names it."""
    backup_reason: str = ""
    """Why another one than the first answers at the moment, as far as is known; empty: the first one answers."""
