"""What a client says to the gateway.

Enums have the wire's numbers, which a test holds them to. Knows nothing of messages, frames or transports.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from parley.asr.requests import Endpointing  # noqa: TC001 - read at run time, by parley._convert
from parley.conversation.audio import AudioFormat, AudioPacket
from parley.llm.tools import Tool, ToolResult
from parley.tts.lexicon import Pronunciation  # noqa: TC001 - read at run time, by parley._convert


@dataclass(frozen=True, slots=True)
class TurnTaking:
    """How the floor changes hands; None keeps the gateway's default. Meanings: `TurnTaking` in conversation.proto."""

    interruptible: bool | None = None
    """Lets a reply be interrupted by speech."""
    interrupt_voiced_ms: int | None = None
    """Voice that interrupts a reply."""
    interrupt_words: int | None = None
    """Words that interrupt a reply."""
    false_interruption_ms: int | None = None
    """A false interruption is over after this."""
    head_start: bool | None = None
    """Begins replies before the end of the turn is certain."""
    echo_guard_ms: int | None = None
    """Time at the start of the first reply in which voice alone does not interrupt."""


@dataclass(frozen=True, slots=True)
class SessionConfig:
    """How a session is to be held; every field may be left out."""

    language: str = ""
    """BCP 47; empty: English."""
    voice: str = ""
    """Name of a voice; empty: the first of the language."""
    speed: float | None = None
    """Speed of speech, 0.5 to 2."""
    instructions: str = ""
    """Instructions for the model."""
    greeting: str = ""
    """What the assistant says first."""
    input: AudioFormat | None = None
    """Form of the microphone's audio; None: Opus at 48000."""
    output: AudioFormat | None = None
    """Form of the reply's audio; None: Opus at 24000."""
    endpointing: Endpointing | None = None
    """When turns begin and end."""
    turn_taking: TurnTaking | None = None
    """How the floor changes hands."""
    hints: tuple[str, ...] = ()
    """Words and names to expect."""
    tools: tuple[Tool, ...] = ()
    """Functions that the model may call; each `ToolRequest` is to be answered."""
    resume_token: str = ""
    """Token of an earlier session to go on with."""
    reports_playback: bool = False
    """The client reports what it plays."""
    lexicon: tuple[Pronunciation, ...] = ()
    """How the assistant pronounces words."""
    adaptive_ptime: bool = False
    """The client puts packets of the microphone together, as `PacketTime` says."""


@dataclass(frozen=True, slots=True)
class UserText:
    """The user typed instead of speaking."""

    text: str
    """The words."""


@dataclass(frozen=True, slots=True)
class EndUtterance:
    """The user let go of the push-to-talk key."""


@dataclass(frozen=True, slots=True)
class CancelReply:
    """The user wants the reply to stop."""


@dataclass(frozen=True, slots=True)
class Played:
    """What the listener has heard of a reply."""

    reply: int
    """The reply."""
    samples: int
    """Samples that have left the loudspeaker."""
    unix_us: int = 0
    """When that was so, on the client's clock."""
    underruns: int = 0
    """Times that the playback buffer ran empty."""
    final: bool = False
    """No more of this reply will be played."""


@dataclass(frozen=True, slots=True)
class Pong:
    """Answer to a `Ping`."""

    id: int
    """The Ping's id."""
    received_unix_us: int
    """When the Ping arrived, on the client's clock."""
    sent_unix_us: int
    """When this answer was sent, on the client's clock."""


class MarkKind(enum.Enum):
    """What can happen at a client."""

    UNSPECIFIED = 0
    FIRST_PACKET = 1
    FIRST_RENDERED = 2
    FIRST_AUDIBLE = 3
    DUCKED = 4
    SILENT = 5


@dataclass(frozen=True, slots=True)
class ClientMark:
    """A moment on the client's clock."""

    kind: MarkKind
    """What happened."""
    reply: int
    """The reply that it concerns."""
    unix_us: int
    """When."""


Request = SessionConfig | AudioPacket | UserText | EndUtterance | CancelReply | Played | Pong | ClientMark | ToolResult
