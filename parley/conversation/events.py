"""What the gateway says of a conversation.

Enums have the wire's numbers, which a test holds them to. Knows nothing of messages, frames or transports.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from parley.asr.events import DiscardReason  # noqa: TC001 - read at run time, by parley._convert
from parley.asr.requests import Assistant  # noqa: TC001 - read at run time, by parley._convert
from parley.conversation.audio import AudioFormat, AudioPacket
from parley.llm.events import ProgressKind, ToolUse  # noqa: TC001 - read at run time, by parley._convert
from parley.llm.tools import ToolCall  # noqa: TC001 - read at run time, by parley._convert


class Outcome(enum.Enum):
    """How a reply ended, and with it the turn that it answers."""

    UNSPECIFIED = 0
    COMPLETED = 1
    INTERRUPTED = 2
    FAILED = 3
    CANCELLED = 4
    MERGED = 5
    LISTENER_LEFT = 6


class ErrorCode(enum.Enum):
    """Kinds of failure."""

    UNSPECIFIED = 0
    INVALID_INPUT = 1
    WRONG_STATE = 2
    TOO_LARGE = 3
    UNAVAILABLE = 4
    DEADLINE = 5
    OVERLOADED = 6
    INTERNAL = 7
    NOT_FOUND = 8
    AUDIO_LOST = 9
    SHUTTING_DOWN = 10


@dataclass(frozen=True, slots=True)
class SessionReady:
    """The session is admitted and the models are warm."""

    session_id: str
    """Name of the session."""
    input: AudioFormat
    """Form of the microphone's audio."""
    output: AudioFormat
    """Form of the reply's audio."""
    voice: str
    """Voice that will speak."""
    language: str
    """Language of the conversation."""
    lead_ms: int
    """How far ahead of the listener audio is sent."""
    max_packet_bytes: int
    """Largest payload of an audio frame."""
    max_text_bytes: int
    """Largest text frame."""
    resume_token: str = ""
    """Token to resume with; empty: not offered."""
    engines: tuple[str, ...] = ()
    """Engines behind the session."""


@dataclass(frozen=True, slots=True)
class PacketTime:
    """How long packets from the microphone may last from now on; for sessions with `adaptive_ptime` only."""

    sound_ms: int
    """Packets with sound in them, and silent ones before them."""
    silence_ms: int
    """Packets in which all is silent."""


@dataclass(frozen=True, slots=True)
class UserSpeechStarted:
    """The user has begun to speak."""

    turn: int
    """Number of the turn."""


@dataclass(frozen=True, slots=True)
class UserPartial:
    """What the user seems to be saying."""

    turn: int
    """The turn."""
    text: str
    """The whole text so far."""
    stable_characters: int
    """Characters at its start that will not change."""


@dataclass(frozen=True, slots=True)
class UserUtterance:
    """What the user said."""

    turn: int
    """The turn."""
    text: str
    """The words."""
    typed: bool = False
    """True when they were typed."""


@dataclass(frozen=True, slots=True)
class UserDiscarded:
    """What sounded like a turn was none."""

    turn: int
    """The turn; its number is used again."""
    reason: DiscardReason
    """Why."""


@dataclass(frozen=True, slots=True)
class ReplyStarted:
    """A reply can now be heard."""

    reply: int
    """Number of the reply."""
    turn: int
    """The turn that it answers; 0: a greeting. A reminder is said in a turn without a `UserUtterance`."""


@dataclass(frozen=True, slots=True)
class ReplyText:
    """The next piece of a reply's text."""

    reply: int
    """The reply."""
    text: str
    """Joins to the next without anything between."""


@dataclass(frozen=True, slots=True)
class ReplyWord:
    """Where a word of a reply sounds."""

    reply: int
    """The reply."""
    first_character: int
    """First character of the word in the reply's text."""
    end_character: int
    """Character after its last one."""
    first_sample: int
    """Sample of the reply at which it begins."""


@dataclass(frozen=True, slots=True)
class ReplyAudioEnd:
    """All audio of a reply has been sent."""

    reply: int
    """The reply."""
    samples: int
    """Samples of the reply."""


@dataclass(frozen=True, slots=True)
class Duck:
    """Make the reply quieter, or bring it back."""

    reply: int
    """The reply."""
    gain_db: float
    """Loudness to reach at once; 0: as before."""
    decided_sample: int | None = None
    """Sample at 16 kHz after the last one that showed the voice for which it ducks, on the session's audio clock; None:
    it was not the first sound of a voice, or the ASR server does not say."""


@dataclass(frozen=True, slots=True)
class FlushPlayback:
    """Throw away what has not been played of a reply."""

    reply: int
    """The reply."""


@dataclass(frozen=True, slots=True)
class ReplyFinished:
    """A reply is over."""

    reply: int
    """The reply."""
    outcome: Outcome
    """How it ended."""
    heard: str
    """The words that were heard."""
    unheard: str
    """The words that were written and not heard."""


@dataclass(frozen=True, slots=True)
class ReplyDelayed:
    """A reply takes long, and who is waited for."""

    turn: int
    """The turn that waits for it; 0: a greeting."""
    hop: str
    """The server that is waited for: "llm"."""
    model: str
    """The model that is waited for; empty: not known."""
    kind: ProgressKind
    """What it is doing."""
    waited_ms: int
    """How long has been waited."""


@dataclass(frozen=True, slots=True)
class WaterfallSlice:
    """One slice of a turn's waterfall."""

    name: str
    """Name, as the span's in the trace."""
    start_ms: float
    """Start after the end of the user's speech."""
    duration_ms: float
    """Length."""


@dataclass(frozen=True, slots=True)
class TurnTimes:
    """The reply can be heard: where the time until then went. The `TurnReport` follows when the reply is over."""

    turn: int
    """The turn; 0: a greeting."""
    reply: int
    """Number of the reply."""
    transcript: str
    """What the user said."""
    mic_to_speaker_ms: float
    """From the end of the user's speech to the first audible sample."""
    waterfall: tuple[WaterfallSlice, ...]
    """Where that time went."""
    trace_id: str
    """The trace, 32 hexadecimal digits."""
    clock_uncertainty_ms: float
    """Uncertainty of the client's times on the gateway's clock."""
    head_start: bool
    """The reply began before the end of the turn was certain."""
    explained: float
    """Share of the time that the slices explain."""


@dataclass(frozen=True, slots=True)
class TurnReport:
    """The turn is over: what was said and where the time went."""

    turn: int
    """The turn; 0: a greeting."""
    transcript: str
    """What the user said."""
    reply_text: str
    """What the assistant wrote."""
    heard: str
    """What was heard of it."""
    mic_to_speaker_ms: float | None
    """From the end of the user's speech to the first audible sample; None: nothing was audible."""
    waterfall: tuple[WaterfallSlice, ...]
    """Where that time went."""
    trace_id: str
    """The trace, 32 hexadecimal digits."""
    outcome: Outcome
    """How the reply ended."""
    clock_uncertainty_ms: float
    """Uncertainty of the client's times on the gateway's clock."""
    reply: int
    """Number of the reply."""
    head_start: bool
    """The reply began before the end of the turn was certain."""
    explained: float
    """Share of the time that the slices explain."""
    waited_ms: float = 0.0
    """Silence after which the turn was taken to be over; 0 for typed words."""
    beyond_need_ms: float = 0.0
    """How much less silence would have done."""
    too_early: bool = False
    """The user went on within a second of that decision."""
    model: str = ""
    """Model that wrote the reply, where there are several to take turns; empty: the one that is configured."""
    decided_sample: int | None = None
    """Sample at 16 kHz after the last one that the decision needed, on the session's audio clock; None: nothing was
    spoken. `TurnReport` in conversation.proto says how samples are counted."""


@dataclass(frozen=True, slots=True)
class ErrorEvent:
    """Something failed."""

    code: ErrorCode
    """What kind of failure."""
    message: str
    """A sentence for people."""
    field: str = ""
    """The field at fault."""
    hop: str = ""
    """The server at fault: asr, llm, tts or gateway."""
    retryable: bool = False
    """The same thing may work later."""
    retry_after_ms: int = 0
    """When to try again; 0: not known."""
    ends_session: bool = False
    """The session ends with this."""
    turn: int = 0
    """The turn that it concerns."""


@dataclass(frozen=True, slots=True)
class Ping:
    """Answer with a `Pong` at once."""

    id: int
    """Name of this exchange."""
    sent_unix_us: int
    """When it was sent, on the gateway's clock."""


@dataclass(frozen=True, slots=True)
class AssistantActivity:
    """What the assistant is doing now."""

    state: Assistant
    """The state it has entered."""


@dataclass(frozen=True, slots=True)
class ToolRequest:
    """The model wants one of the client's functions called; `ToolResult` with the call's id is the answer."""

    reply: int
    """The reply that waits for it."""
    call: ToolCall
    """What is to be called, with which arguments."""


@dataclass(frozen=True, slots=True)
class Recovered:
    """A server that was told to be away works again."""

    hop: str
    """The server: asr."""
    engine: str
    """Its engine, as in `SessionReady`."""


class SpeechSetting(enum.Enum):
    """What of the assistant's speech can change."""

    UNSPECIFIED = 0
    SPEED = 1
    GAIN_DB = 2


@dataclass(frozen=True, slots=True)
class SpeechChanged:
    """How the assistant speaks has changed, for the rest of the session."""

    turn: int
    """The turn in which it was wished."""
    reply: int
    """The reply that tells of it."""
    setting: SpeechSetting
    """What has changed."""
    before: float
    """What it was: a factor, or decibels."""
    now: float
    """What it is now."""


class ReminderState(enum.Enum):
    """What has become of a reminder."""

    UNSPECIFIED = 0
    SET = 1
    DUE = 2
    CANCELLED = 3


@dataclass(frozen=True, slots=True)
class ReminderChanged:
    """A reminder was set, is said in a turn of its own, or was cancelled."""

    id: str
    """Name of the reminder in its session."""
    state: ReminderState
    """What has become of it."""
    label: str
    """What it is called, in the user's words."""
    due_unix_ms: int
    """When it is due, on the gateway's clock."""
    due_in_ms: int
    """Milliseconds from now until then; 0: it is due."""
    turn: int
    """The turn: in which it was set or cancelled, or its own; 0: the session ends."""
    reply: int
    """The reply: that tells of it, or says it; 0: none does."""


@dataclass(frozen=True, slots=True)
class ToolUsed:
    """A function of the LLM server's own was called for a reply."""

    reply: int
    """The reply."""
    use: ToolUse
    """What was called, and what it gave."""


Event = (
    SessionReady
    | AudioPacket
    | PacketTime
    | UserSpeechStarted
    | UserPartial
    | UserUtterance
    | UserDiscarded
    | ReplyStarted
    | ReplyText
    | ReplyWord
    | ReplyAudioEnd
    | Duck
    | FlushPlayback
    | ReplyFinished
    | TurnTimes
    | TurnReport
    | ErrorEvent
    | Ping
    | AssistantActivity
    | ToolRequest
    | ReplyDelayed
    | Recovered
    | ToolUsed
    | SpeechChanged
    | ReminderChanged
)
