"""Whole conversations: what is said to the gateway and what it says, and a client.

The same values travel over gRPC and, as JSON text frames and binary audio frames, over the browser's WebSocket.
`audio`, `requests` and `events` are values that know nothing of calls, so that pure modules may import them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from parley._lazy import lazily
from parley.conversation.audio import (
    MAX_JOINED_PACKETS,
    MAX_OPUS_BYTES,
    MAX_PCM_BYTES,
    PACKET_SECONDS,
    AudioFormat,
    AudioPacket,
    Encoding,
)
from parley.conversation.events import (
    AssistantActivity,
    Duck,
    ErrorCode,
    ErrorEvent,
    Event,
    FlushPlayback,
    Outcome,
    PacketTime,
    Ping,
    Recovered,
    ReminderChanged,
    ReminderState,
    ReplyAudioEnd,
    ReplyDelayed,
    ReplyFinished,
    ReplyStarted,
    ReplyText,
    ReplyWord,
    SessionReady,
    SpeechChanged,
    SpeechSetting,
    ToolRequest,
    ToolUsed,
    TurnReport,
    TurnTimes,
    UserDiscarded,
    UserPartial,
    UserSpeechStarted,
    UserUtterance,
    WaterfallSlice,
)
from parley.conversation.frames import FRAME_HEADER, FrameKind, pack_mic, pack_reply, unpack_mic, unpack_reply
from parley.conversation.requests import (
    CancelReply,
    ClientMark,
    EndUtterance,
    MarkKind,
    Played,
    Pong,
    Request,
    SessionConfig,
    TurnTaking,
    UserText,
)
from parley.conversation.wire import (
    MAX_TEXT_BYTES,
    SERVICE,
    event_from_json,
    event_from_proto,
    event_to_json,
    event_to_proto,
    request_from_json,
    request_from_proto,
    request_to_json,
    request_to_proto,
)

if TYPE_CHECKING:
    from parley.conversation.client import Conversation, ConversationClient, connect, error_of

__all__ = [
    "FRAME_HEADER",
    "MAX_JOINED_PACKETS",
    "MAX_OPUS_BYTES",
    "MAX_PCM_BYTES",
    "MAX_TEXT_BYTES",
    "PACKET_SECONDS",
    "SERVICE",
    "AssistantActivity",
    "AudioFormat",
    "AudioPacket",
    "CancelReply",
    "ClientMark",
    "Conversation",
    "ConversationClient",
    "Duck",
    "Encoding",
    "EndUtterance",
    "ErrorCode",
    "ErrorEvent",
    "Event",
    "FlushPlayback",
    "FrameKind",
    "MarkKind",
    "Outcome",
    "PacketTime",
    "Ping",
    "Played",
    "Pong",
    "Recovered",
    "ReminderChanged",
    "ReminderState",
    "ReplyAudioEnd",
    "ReplyDelayed",
    "ReplyFinished",
    "ReplyStarted",
    "ReplyText",
    "ReplyWord",
    "Request",
    "SessionConfig",
    "SessionReady",
    "SpeechChanged",
    "SpeechSetting",
    "ToolRequest",
    "ToolUsed",
    "TurnReport",
    "TurnTaking",
    "TurnTimes",
    "UserDiscarded",
    "UserPartial",
    "UserSpeechStarted",
    "UserText",
    "UserUtterance",
    "WaterfallSlice",
    "connect",
    "error_of",
    "event_from_json",
    "event_from_proto",
    "event_to_json",
    "event_to_proto",
    "pack_mic",
    "pack_reply",
    "request_from_json",
    "request_from_proto",
    "request_to_json",
    "request_to_proto",
    "unpack_mic",
    "unpack_reply",
]

__getattr__ = lazily(
    __name__, dict.fromkeys(("Conversation", "ConversationClient", "connect", "error_of"), "parley.conversation.client")
)
