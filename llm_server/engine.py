"""The seam between the LLM server and a model: an engine is loaded once and shared, a reply is an async generator.

Knows nothing of gRPC or speech.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

from parley.llm import SessionAction

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from parley.llm import SessionState


class Role(enum.Enum):
    """Who speaks in a message."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the model may call."""

    name: str
    """Letters, digits, `_` and `-`."""
    description: str
    """What it does, for the model."""
    parameters: Mapping[str, object]
    """JSON Schema of its arguments."""
    optional: bool = False
    """A reply can do without it: where functions cannot be called it is left out, and nobody told."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model wants a function called; `Finish` with `TOOL_CALLS` follows."""

    id: str
    """Name of this call within its reply."""
    name: str
    """Name of the function."""
    arguments_json: str
    """Its arguments, a JSON object."""


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
    """What was written of an interrupted reply and not heard."""
    tool_calls: tuple[ToolCall, ...] = ()
    """What the assistant wanted called."""
    tool_call_id: str = ""
    """Of a tool's message: the call that it answers."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are drawn where a request does not say."""

    temperature: float | None = None
    """Randomness, 0 to 2; None: the engine's default."""
    top_p: float | None = None
    """Share of the probability that tokens are drawn from, above 0, at most 1; None: the engine's default."""
    seed: int | None = None
    """Makes sampling repeatable; None: not repeatable."""


ENGINES_OWN: Final = Sampling()
"""As each engine does by itself."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """What is to be answered, and how."""

    messages: tuple[Message, ...]
    """Oldest first, at least one."""
    max_tokens: int
    """Longest reply."""
    temperature: float | None = None
    """Randomness, 0 to 2; None: the engine's default."""
    top_p: float | None = None
    """Share of the probability that tokens are drawn from, above 0, at most 1; None: the engine's default."""
    seed: int | None = None
    """Makes sampling repeatable; None: not repeatable."""
    session_id: str = ""
    """Name of the session."""
    tools: tuple[Tool, ...] = ()
    """Functions that may be called."""
    session: SessionState | None = None
    """What the session is like, where session actions are carried out; None: they are not."""


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of the reply; pieces join without anything between."""

    text: str
    """The piece."""


class ProgressKind(enum.Enum):
    """What is waited for."""

    QUEUED = enum.auto()
    """The engine is busy with others."""
    WAITING = enum.auto()
    """The model has been asked and has not answered, as when it is being loaded."""
    REASONING = enum.auto()
    """The model thinks aloud; what it thinks is not passed on."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Nothing to say yet, and why; holds until the next event."""

    kind: ProgressKind
    """What is waited for."""
    model: str = ""
    """Who is waited for, where the engine has several; empty: the engine's model."""


@dataclass(frozen=True, slots=True)
class GaveUp:
    """One of several models has failed; another one is asked if the reply has not begun."""

    model: str
    """Who has failed."""
    reason: str
    """Why, in a word: "silent", "broken" or "http_" and a status; never what it said."""
    http_status: int = 0
    """Status of its response, when that was no success; 0: there was none."""


class StopReason(enum.Enum):
    """Why a reply ended."""

    STOP = enum.auto()
    LENGTH = enum.auto()
    TOOL_CALLS = enum.auto()


@dataclass(frozen=True, slots=True)
class Finish:
    """The reply is complete."""

    reason: StopReason
    """Why."""
    prompt_tokens: int = 0
    """Tokens of the conversation; 0: not counted."""
    completion_tokens: int = 0
    """Tokens of the reply; 0: not counted."""
    cached_tokens: int = 0
    """Tokens of the conversation that needed no computing."""
    queue_ms: float = 0.0
    """Wait for the model's being free."""
    model: str = ""
    """Who answered, where the engine has several; empty: the engine's model."""


ReplyEvent = Delta | ToolCall | SessionAction | Progress | GaveUp | Finish
"""What comes of a reply; `Finish` is the last. Session actions come only where the conversation has a `session`."""


class Engine(Protocol):
    """A model, or several that stand in for one another, shared by all calls."""

    name: str
    """Name of the engine."""
    context_tokens: int
    """Longest conversation; 0: not limited by tokens."""
    calls_tools: bool
    """It can call functions."""
    ignores_instructions: bool
    """It answers by itself, whatever it is instructed to do."""

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models that can answer, in the order in which they are asked; at least one."""
        ...

    def load(self) -> None:
        """Load the model and warm it up; blocks.

        Raises:
            Unavailable: a package or model file is missing; the message names the remedy.
        """
        ...

    def reply(self, conversation: Conversation) -> AsyncGenerator[ReplyEvent, None]:
        """Write a reply; closing the generator ends the model's work at once.

        Raises:
            ParleyError: there is no reply, or it broke off; also when a model gave no sign of life for too long.
        """
        ...

    async def keep_warm(self) -> None:
        """Have models loaded that are elsewhere, before they are asked, beside all else; goes on until cancelled.

        Models of this process are warm when `load` returns, so their engines return at once.
        """
        ...

    async def close(self) -> None:
        """Let go of what is held; nothing is asked any more."""
        ...


@runtime_checkable
class Remote(Protocol):
    """An engine whose models are elsewhere."""

    @property
    def problem(self) -> str:
        """Why none of them can answer, as far as is known, with the setting at fault; empty: nothing is known."""
        ...

    discovered: bool
    """The first of them was found on this machine, and no setting of the user's names it."""

    @property
    def address(self) -> str:
        """Host and port of who has the first of them."""
        ...

    @property
    def backup_reason(self) -> str:
        """Why another one than the first answers at the moment, as far as is known; empty: the first one does."""
        ...
