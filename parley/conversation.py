"""A whole conversation: the requests that a client makes of the gateway, and the events that it gets.

The same values travel over gRPC and, as JSON text frames and binary audio frames, over the browser's WebSocket
(`conversation.proto` has the layout). Knows nothing of loudspeakers, models or how turns are decided.
"""

from __future__ import annotations

import enum
import struct
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from google.protobuf import json_format

from parley import asr, llm
from parley._channel import MAX_CHAT_MESSAGE_BYTES, open_channel
from parley._convert import extract, fill
from parley._duplex import duplex
from parley.errors import InvalidInput
from parley.v1 import audio_pb2, conversation_pb2, conversation_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator

SERVICE: Final = "parley.v1.ConversationService"

MAX_OPUS_BYTES: Final = 1275
"""Longest Opus frame (RFC 6716, section 3.2.1)."""

MAX_PCM_BYTES: Final = 11_520
"""Longest PCM payload: 120 ms at 48 kHz."""

MAX_TEXT_BYTES: Final = 64 * 1024
"""Longest text frame."""

PACKET_SECONDS: Final = 0.02
"""What one packet of a reply lasts."""


class Encoding(enum.Enum):
    """How audio bytes are to be read."""

    UNSPECIFIED = audio_pb2.AUDIO_ENCODING_UNSPECIFIED
    PCM_S16LE = audio_pb2.AUDIO_ENCODING_PCM_S16LE
    OPUS = audio_pb2.AUDIO_ENCODING_OPUS


class MarkKind(enum.Enum):
    """What can happen at a client."""

    UNSPECIFIED = conversation_pb2.CLIENT_MARK_KIND_UNSPECIFIED
    FIRST_PACKET = conversation_pb2.CLIENT_MARK_KIND_FIRST_PACKET
    FIRST_RENDERED = conversation_pb2.CLIENT_MARK_KIND_FIRST_RENDERED
    FIRST_AUDIBLE = conversation_pb2.CLIENT_MARK_KIND_FIRST_AUDIBLE
    DUCKED = conversation_pb2.CLIENT_MARK_KIND_DUCKED
    SILENT = conversation_pb2.CLIENT_MARK_KIND_SILENT


class Outcome(enum.Enum):
    """How a reply ended."""

    UNSPECIFIED = conversation_pb2.REPLY_OUTCOME_UNSPECIFIED
    COMPLETED = conversation_pb2.REPLY_OUTCOME_COMPLETED
    INTERRUPTED = conversation_pb2.REPLY_OUTCOME_INTERRUPTED
    FAILED = conversation_pb2.REPLY_OUTCOME_FAILED
    CANCELLED = conversation_pb2.REPLY_OUTCOME_CANCELLED


class ErrorCode(enum.Enum):
    """Kinds of failure."""

    UNSPECIFIED = conversation_pb2.ERROR_CODE_UNSPECIFIED
    INVALID_INPUT = conversation_pb2.ERROR_CODE_INVALID_INPUT
    WRONG_STATE = conversation_pb2.ERROR_CODE_WRONG_STATE
    TOO_LARGE = conversation_pb2.ERROR_CODE_TOO_LARGE
    UNAVAILABLE = conversation_pb2.ERROR_CODE_UNAVAILABLE
    DEADLINE = conversation_pb2.ERROR_CODE_DEADLINE
    OVERLOADED = conversation_pb2.ERROR_CODE_OVERLOADED
    INTERNAL = conversation_pb2.ERROR_CODE_INTERNAL
    NOT_FOUND = conversation_pb2.ERROR_CODE_NOT_FOUND
    AUDIO_LOST = conversation_pb2.ERROR_CODE_AUDIO_LOST
    SHUTTING_DOWN = conversation_pb2.ERROR_CODE_SHUTTING_DOWN


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """The form of a run of audio; mono."""

    encoding: Encoding = Encoding.UNSPECIFIED
    """How the bytes are to be read."""
    sample_rate_hz: int = 0
    """Samples per second."""


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
    """Begins replies in secret before the end of the turn is certain."""
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
    endpointing: asr.Endpointing | None = None
    """When turns begin and end."""
    turn_taking: TurnTaking | None = None
    """How the floor changes hands."""
    hints: tuple[str, ...] = ()
    """Words and names to expect."""
    tools: tuple[llm.Tool, ...] = ()
    """Functions that the model may call; each `ToolRequest` is to be answered."""
    resume_token: str = ""
    """Token of an earlier session to go on with."""
    reports_playback: bool = False
    """The client reports what it plays."""


@dataclass(frozen=True, slots=True)
class AudioPacket:
    """One packet of sound, in either direction."""

    data: bytes
    """One Opus packet, or PCM."""
    sequence: int = 0
    """Its number in its stream."""
    captured_unix_us: int = 0
    """From the microphone: capture time of its first sample on the client's clock; 0: not known."""
    reply: int = 0
    """Of a reply: its number."""
    first_sample: int = 0
    """Of a reply: index of its first sample."""


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


@dataclass(frozen=True, slots=True)
class ClientMark:
    """A moment on the client's clock."""

    kind: MarkKind
    """What happened."""
    reply: int
    """The reply that it concerns."""
    unix_us: int
    """When."""


@dataclass(frozen=True, slots=True)
class PlaybackCredit:
    """The client can take more audio."""

    milliseconds: int
    """How much more."""


Request = (
    SessionConfig
    | AudioPacket
    | UserText
    | EndUtterance
    | CancelReply
    | Played
    | Pong
    | ClientMark
    | PlaybackCredit
    | llm.ToolResult
)


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
    reason: asr.DiscardReason
    """Why."""


@dataclass(frozen=True, slots=True)
class ReplyStarted:
    """A reply can now be heard."""

    reply: int
    """Number of the reply."""
    turn: int
    """The turn that it answers; 0: a greeting."""


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
    """The reply began in secret before the end of the turn was certain."""
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
    """The reply began in secret before the end of the turn was certain."""
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

    state: asr.Assistant
    """The state it has entered."""


@dataclass(frozen=True, slots=True)
class ToolRequest:
    """The model wants one of the client's functions called; `llm.ToolResult` with the call's id is the answer."""

    reply: int
    """The reply that waits for it."""
    call: llm.ToolCall
    """What is to be called, with which arguments."""


Event = (
    SessionReady
    | AudioPacket
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
)

_REQUESTS: dict[str, type[Request]] = {
    "configure": SessionConfig,
    "audio": AudioPacket,
    "user_text": UserText,
    "end_utterance": EndUtterance,
    "cancel_reply": CancelReply,
    "played": Played,
    "pong": Pong,
    "mark": ClientMark,
    "credit": PlaybackCredit,
    "tool_result": llm.ToolResult,
}
_REQUEST_FIELDS = {kind: name for name, kind in _REQUESTS.items()}
_EVENTS: dict[str, type[Event]] = {
    "ready": SessionReady,
    "audio": AudioPacket,
    "user_speech_started": UserSpeechStarted,
    "user_partial": UserPartial,
    "user_utterance": UserUtterance,
    "user_discarded": UserDiscarded,
    "reply_started": ReplyStarted,
    "reply_text": ReplyText,
    "reply_word": ReplyWord,
    "reply_audio_end": ReplyAudioEnd,
    "duck": Duck,
    "flush_playback": FlushPlayback,
    "reply_finished": ReplyFinished,
    "turn_times": TurnTimes,
    "turn_report": TurnReport,
    "error": ErrorEvent,
    "ping": Ping,
    "assistant": AssistantActivity,
    "tool_request": ToolRequest,
}
_EVENT_FIELDS = {kind: name for name, kind in _EVENTS.items()}


def request_to_proto(request: Request) -> conversation_pb2.ConverseRequest:
    """A request as its message."""
    message = conversation_pb2.ConverseRequest()
    nested = getattr(message, _REQUEST_FIELDS[type(request)])
    nested.SetInParent()
    fill(nested, request)
    return message


def request_from_proto(message: conversation_pb2.ConverseRequest) -> Request:
    """A message as a request.

    Raises:
        InvalidInput: none of the requests is set, or one that this version does not know.
    """
    name = message.WhichOneof("request")
    if name is None or name not in _REQUESTS:
        raise InvalidInput(f"no request that is known here; known are {', '.join(_REQUESTS)}", field=name or "request")
    return extract(_REQUESTS[name], getattr(message, name))


def event_to_proto(event: Event) -> conversation_pb2.ConverseResponse:
    """An event as its message."""
    message = conversation_pb2.ConverseResponse()
    nested = getattr(message, _EVENT_FIELDS[type(event)])
    nested.SetInParent()
    fill(nested, event)
    return message


def event_from_proto(message: conversation_pb2.ConverseResponse) -> Event | None:
    """A message as an event; None for one that this version does not know."""
    name = message.WhichOneof("response")
    if name is None or name not in _EVENTS:
        return None
    return extract(_EVENTS[name], getattr(message, name))


def request_to_json(request: Request) -> str:
    """A request as a text frame."""
    return _to_json(request_to_proto(request))


def request_from_json(text: str) -> Request:
    """A text frame as a request.

    Raises:
        InvalidInput: no JSON, an unknown type or field, or a value of the wrong type; the message says which.
    """
    message = conversation_pb2.ConverseRequest()
    try:
        json_format.Parse(text, message, max_recursion_depth=16)
    except json_format.ParseError as error:
        raise InvalidInput(f"a text frame that is no request: {error}", field="request") from error
    return request_from_proto(message)


def event_to_json(event: Event) -> str:
    """An event as a text frame."""
    return _to_json(event_to_proto(event))


def event_from_json(text: str) -> Event | None:
    """A text frame as an event; None for one that this version does not know.

    Raises:
        InvalidInput: no JSON, or a value of the wrong type.
    """
    message = conversation_pb2.ConverseResponse()
    try:
        json_format.Parse(text, message, ignore_unknown_fields=True)
    except json_format.ParseError as error:
        raise InvalidInput(f"a text frame that is no event: {error}", field="response") from error
    return event_from_proto(message)


def _to_json(message: conversation_pb2.ConverseRequest | conversation_pb2.ConverseResponse) -> str:
    return json_format.MessageToJson(
        message, preserving_proto_field_name=True, indent=None, always_print_fields_with_no_presence=True
    )


class FrameKind(enum.IntEnum):
    """First byte of a binary frame."""

    MIC_OPUS = 1
    MIC_PCM = 2
    REPLY_OPUS = 16
    REPLY_PCM = 17


FRAME_HEADER: Final = struct.Struct("<BBHIq")
"""Kind, flags, reply, sequence, and capture time (microphone) or first sample (reply)."""

_MIC_KINDS = {Encoding.OPUS: FrameKind.MIC_OPUS, Encoding.PCM_S16LE: FrameKind.MIC_PCM}
_REPLY_KINDS = {Encoding.OPUS: FrameKind.REPLY_OPUS, Encoding.PCM_S16LE: FrameKind.REPLY_PCM}


def pack_mic(packet: AudioPacket, encoding: Encoding) -> bytes:
    """A packet from the microphone as a binary frame."""
    return FRAME_HEADER.pack(_MIC_KINDS[encoding], 0, 0, packet.sequence, packet.captured_unix_us) + packet.data


def pack_reply(packet: AudioPacket, encoding: Encoding) -> bytes:
    """A packet of a reply as a binary frame."""
    head = FRAME_HEADER.pack(_REPLY_KINDS[encoding], 0, packet.reply & 0xFFFF, packet.sequence, packet.first_sample)
    return head + packet.data


def unpack_mic(frame: bytes, encoding: Encoding) -> AudioPacket:
    """A binary frame from the microphone.

    Raises:
        InvalidInput: too short, too long, or not of the session's format.
    """
    if len(frame) <= FRAME_HEADER.size:
        raise InvalidInput(
            f"a binary frame of {len(frame)} bytes: the header alone has {FRAME_HEADER.size}", field="frame"
        )
    kind, _flags, _reply, sequence, captured = FRAME_HEADER.unpack_from(frame)
    if kind != _MIC_KINDS[encoding]:
        raise InvalidInput(
            f"kind {kind} in a binary frame: this session's microphone sends {_MIC_KINDS[encoding].name}", field="kind"
        )
    size = len(frame) - FRAME_HEADER.size
    limit = MAX_OPUS_BYTES if encoding is Encoding.OPUS else MAX_PCM_BYTES
    if size > limit:
        raise InvalidInput(f"a packet of {size} bytes: at most {limit} are taken", field="packet")
    return AudioPacket(frame[FRAME_HEADER.size :], sequence, captured)


def unpack_reply(frame: bytes) -> tuple[AudioPacket, Encoding]:
    """A binary frame of a reply, and how its bytes are to be read.

    Raises:
        InvalidInput: too short, or of another kind.
    """
    if len(frame) <= FRAME_HEADER.size:
        raise InvalidInput(f"a binary frame of {len(frame)} bytes is too short", field="frame")
    kind, _flags, reply, sequence, first_sample = FRAME_HEADER.unpack_from(frame)
    encoding = next((encoding for encoding, number in _REPLY_KINDS.items() if number == kind), None)
    if encoding is None:
        raise InvalidInput(f"kind {kind} in a binary frame is no reply's", field="kind")
    return AudioPacket(frame[FRAME_HEADER.size :], sequence, reply=reply, first_sample=first_sample), encoding


class ConversationClient:
    """Client of a gateway's `ConversationService`.

    Example:
        async with ConversationClient("localhost:50050") as gateway, gateway.converse(requests()) as events:
            async for event in events: ...
    """

    def __init__(self, address: str) -> None:
        """Prepare a channel to `address` ("host:port"); it connects with the first call."""
        self._channel = open_channel(address, SERVICE, MAX_CHAT_MESSAGE_BYTES)
        self._stub: conversation_pb2_grpc.ConversationServiceAsyncStub = conversation_pb2_grpc.ConversationServiceStub(
            self._channel
        )

    async def __aenter__(self) -> Self:
        """Use the client as a block."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the channel."""
        await self._channel.close()

    @asynccontextmanager
    async def converse(self, requests: AsyncIterable[Request]) -> AsyncIterator[AsyncIterator[Event]]:
        """Hold a session; the first request must be a `SessionConfig`, the first event is `SessionReady`.

        Raises:
            ParleyError: the gateway refused, failed or went away; raised where the events are read.
        """
        async with duplex(self._stub.Converse, _requests(requests), "gateway") as responses:
            yield _events(responses)


async def _requests(requests: AsyncIterable[Request]) -> AsyncIterator[conversation_pb2.ConverseRequest]:
    async for request in requests:
        yield request_to_proto(request)


async def _events(responses: AsyncIterator[conversation_pb2.ConverseResponse]) -> AsyncIterator[Event]:
    async for response in responses:
        event = event_from_proto(response)
        if event is not None:
            yield event
