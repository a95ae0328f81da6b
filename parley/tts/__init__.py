"""Speech synthesis: what is said to the TTS server and what it says, and a client.

`requests` and `events` are values that know nothing of calls, so that pure modules may import them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from parley._lazy import lazily
from parley.tts.events import Audio, Event, Finished, Ready, SentenceEnd, Voice, Voices, WordMark
from parley.tts.lexicon import MAX_PRONUNCIATIONS, Pronunciation, check_lexicon
from parley.tts.requests import Adjust, Config, Request, SpeakNow
from parley.tts.wire import SERVICE, event_from_proto, request_to_proto, voices_from_proto

if TYPE_CHECKING:
    from parley.tts.client import TtsClient

__all__ = [
    "MAX_PRONUNCIATIONS",
    "SERVICE",
    "Adjust",
    "Audio",
    "Config",
    "Event",
    "Finished",
    "Pronunciation",
    "Ready",
    "Request",
    "SentenceEnd",
    "SpeakNow",
    "TtsClient",
    "Voice",
    "Voices",
    "WordMark",
    "check_lexicon",
    "event_from_proto",
    "request_to_proto",
    "voices_from_proto",
]

__getattr__ = lazily(__name__, dict.fromkeys(("TtsClient",), "parley.tts.client"))
