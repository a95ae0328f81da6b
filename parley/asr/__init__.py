"""Speech recognition: what is said to the ASR server and what it says, and a client.

`requests` and `events` are values that know nothing of calls, so that pure modules may import them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from parley._lazy import lazily
from parley.asr.events import (
    AudioAck,
    DiscardReason,
    EagerEndOfTurn,
    EndOfTurn,
    EndReason,
    Event,
    Languages,
    Partial,
    Ready,
    SpeechStarted,
    Timings,
    TurnDiscarded,
    TurnResumed,
    VoiceOnset,
    VoiceStopped,
    Word,
)
from parley.asr.requests import Assistant, Audio, Config, Endpointing, Flush, Request, TurnContext
from parley.asr.wire import (
    SERVICE,
    event_from_proto,
    event_to_proto,
    languages_from_proto,
    request_from_proto,
    request_to_proto,
)

if TYPE_CHECKING:
    from parley.asr.client import AsrClient

__all__ = [
    "SERVICE",
    "AsrClient",
    "Assistant",
    "Audio",
    "AudioAck",
    "Config",
    "DiscardReason",
    "EagerEndOfTurn",
    "EndOfTurn",
    "EndReason",
    "Endpointing",
    "Event",
    "Flush",
    "Languages",
    "Partial",
    "Ready",
    "Request",
    "SpeechStarted",
    "Timings",
    "TurnContext",
    "TurnDiscarded",
    "TurnResumed",
    "VoiceOnset",
    "VoiceStopped",
    "Word",
    "event_from_proto",
    "event_to_proto",
    "languages_from_proto",
    "request_from_proto",
    "request_to_proto",
]

__getattr__ = lazily(__name__, dict.fromkeys(("AsrClient",), "parley.asr.client"))
