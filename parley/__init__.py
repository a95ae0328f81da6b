"""Parley's SDK: typed, asynchronous clients of a gateway and of the ASR, LLM and TTS servers behind it.

Here are the clients, what a conversation is made of, and the errors. What is said to one of the servers, and what it
says, is in `parley.asr`, `parley.llm` and `parley.tts`; all of a conversation in `parley.conversation`.

    async with connect("localhost:50050") as conversation:
        await conversation.send_text("What is seven times eight?")
        async for event in conversation: ...

Each name is imported when it is first used: gRPC alone takes longer to import than many a program to run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from parley._lazy import lazily

if TYPE_CHECKING:
    from parley._tls import Tls
    from parley.asr import AsrClient
    from parley.conversation import (
        AudioFormat,
        AudioPacket,
        CancelReply,
        Conversation,
        ConversationClient,
        Encoding,
        EndUtterance,
        ErrorEvent,
        Event,
        Outcome,
        ReplyFinished,
        ReplyStarted,
        ReplyText,
        Request,
        SessionConfig,
        SessionReady,
        ToolRequest,
        TurnReport,
        UserText,
        UserUtterance,
        connect,
    )
    from parley.errors import (
        AudioLost,
        DeadlinePassed,
        EngineFailed,
        InvalidInput,
        NotFound,
        Overloaded,
        ParleyError,
        ShuttingDown,
        TooLarge,
        Unavailable,
        WrongState,
    )
    from parley.llm import LlmClient, Tool, ToolCall, ToolResult
    from parley.tts import Pronunciation, TtsClient

__all__ = [
    "AsrClient",
    "AudioFormat",
    "AudioLost",
    "AudioPacket",
    "CancelReply",
    "Conversation",
    "ConversationClient",
    "DeadlinePassed",
    "Encoding",
    "EndUtterance",
    "EngineFailed",
    "ErrorEvent",
    "Event",
    "InvalidInput",
    "LlmClient",
    "NotFound",
    "Outcome",
    "Overloaded",
    "ParleyError",
    "Pronunciation",
    "ReplyFinished",
    "ReplyStarted",
    "ReplyText",
    "Request",
    "SessionConfig",
    "SessionReady",
    "ShuttingDown",
    "Tls",
    "TooLarge",
    "Tool",
    "ToolCall",
    "ToolRequest",
    "ToolResult",
    "TtsClient",
    "TurnReport",
    "Unavailable",
    "UserText",
    "UserUtterance",
    "WrongState",
    "connect",
]

__version__ = "0.1.0"

_HOMES = {
    "AsrClient": "parley.asr",
    "AudioFormat": "parley.conversation",
    "AudioLost": "parley.errors",
    "AudioPacket": "parley.conversation",
    "CancelReply": "parley.conversation",
    "Conversation": "parley.conversation",
    "ConversationClient": "parley.conversation",
    "DeadlinePassed": "parley.errors",
    "Encoding": "parley.conversation",
    "EndUtterance": "parley.conversation",
    "EngineFailed": "parley.errors",
    "ErrorEvent": "parley.conversation",
    "Event": "parley.conversation",
    "InvalidInput": "parley.errors",
    "LlmClient": "parley.llm",
    "NotFound": "parley.errors",
    "Outcome": "parley.conversation",
    "Overloaded": "parley.errors",
    "ParleyError": "parley.errors",
    "Pronunciation": "parley.tts",
    "ReplyFinished": "parley.conversation",
    "ReplyStarted": "parley.conversation",
    "ReplyText": "parley.conversation",
    "Request": "parley.conversation",
    "SessionConfig": "parley.conversation",
    "SessionReady": "parley.conversation",
    "ShuttingDown": "parley.errors",
    "Tls": "parley._tls",
    "TooLarge": "parley.errors",
    "Tool": "parley.llm",
    "ToolCall": "parley.llm",
    "ToolRequest": "parley.conversation",
    "ToolResult": "parley.llm",
    "TtsClient": "parley.tts",
    "TurnReport": "parley.conversation",
    "Unavailable": "parley.errors",
    "UserText": "parley.conversation",
    "UserUtterance": "parley.conversation",
    "WrongState": "parley.errors",
    "connect": "parley.conversation",
}

__getattr__ = lazily(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
